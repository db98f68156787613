// What the page says about tus-js-client and Uppy, bundled as whoever copies it would, uploads.
//
//   task.url   URL of the page
//   task.file  path of what is uploaded

import { fileURLToPath } from 'node:url'
import { awaitedLater, choose, startUpload } from './page_parts.mjs'

const sources = new URL('../../../tusd_py/page/', import.meta.url)

async function bundled(code) {
  const { build } = await import(new URL('node_modules/esbuild/lib/main.js', sources))
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: fileURLToPath(sources) },
    bundle: true,
    format: 'esm',
    outdir: 'out',
    write: false,
  })
  return outputFiles.find(({ path }) => path.endsWith('.js')).text
}

/** Loads a page that consists of *html* and *script*, and returns it with what it logs. */
async function pageWith(context, url, html, script) {
  const page = await context.newPage()
  const logged = awaitedLater(
    page.waitForEvent('console', {
      predicate: (message) => message.type() === 'log' && /\/files\/[0-9a-f]{32}$/.test(message.text()),
    }),
  )
  await page.route(`${url}snippet`, (route) =>
    route.fulfill({
      contentType: 'text/html',
      body: `<!doctype html><body>${html}<script type="module" src="snippet.js"></script>`,
    }),
  )
  await page.route(`${url}snippet.js`, (route) =>
    route.fulfill({ contentType: 'text/javascript', body: script }),
  )
  await page.goto(`${url}snippet`)
  return { page, logged }
}

export default async ({ browser, task, say }) => {
  const context = await browser.newContext()
  const page = await context.newPage()
  await page.goto(task.url)
  const codes = await page.locator('#snippets pre code').allTextContents()
  const [tus, uppy] = await Promise.all(codes.slice(0, 2).map(bundled))

  const first = await pageWith(context, task.url, '<input type="file">', tus)
  await first.page.locator('input').setInputFiles(task.file)
  say('tus-js-client', { url: (await first.logged).text() })

  const second = await pageWith(context, task.url, '', uppy)
  await choose(second.page, task.file)
  await startUpload(second.page)
  say('uppy', { url: (await second.logged).text().split(' ').pop() })
}
