// Names that are HTML, links that lead elsewhere, a page without Uppy.
//
//   task.url      URL of the page
//   task.file     path of a file whose name is HTML
//   task.watched  values of ?watch= that are no upload of this server
//   task.plain    file name to text: what the page consists of without Uppy

import { choose, finished, openPage, startUpload } from './page_parts.mjs'

export default async ({ browser, task, say, watch, shoot }) => {
  const context = await browser.newContext()
  const { page, problems } = await openPage(context, task.url, watch)
  await choose(page, task.file)
  await startUpload(page)
  const files = await finished(page, 1)
  await page.reload()
  await finished(page, 1)
  const made = await page.locator('main img[src="x"], main i').count()
  say('named', { files, made })

  const asked = []
  page.on('request', (request) => asked.push(request.url()))
  for (const watched of task.watched) {
    await page.goto(`${task.url}?watch=${encodeURIComponent(watched)}`)
    await page.getByText('That link leads to no upload of this server.').waitFor()
  }
  say('watched', { asked: asked.filter((url) => !url.startsWith(task.url)), problems })

  // What a server answers that has no bundle; the policy is that of the real one.
  await page.route(`${task.url}page/*`, (route) => {
    const name = new URL(route.request().url()).pathname.split('/').pop()
    const contentType = name.endsWith('.css') ? 'text/css' : 'text/javascript'
    return route.fulfill({ contentType, body: task.plain[name] })
  })
  await page.route(task.url, async (route) => {
    const response = await route.fetch()
    const body = (await response.text())
      .replace('data-bundle="built"', 'data-bundle="missing"')
      .replace(/page-\w+\.js/, 'plain.js')
      .replace(/page-\w+\.css/, 'page.css')
    return route.fulfill({ response, body })
  })
  await page.goto(task.url)
  await page.getByText('scripts/page').waitFor()
  await finished(page, 1)
  await shoot(page, 'page-without-uppy')
  say('plain', { text: await page.locator('body').innerText(), problems })
}
