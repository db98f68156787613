// A server that offers no downloads by URL alone.
//
//   task.url   URL of the page
//   task.file  path of what it uploads

import { choose, openPage, startUpload } from './page_parts.mjs'

export default async ({ browser, task, say, watch }) => {
  const context = await browser.newContext()
  const { page, problems } = await openPage(context, task.url, watch)
  await choose(page, task.file)
  await startUpload(page)
  await page.locator('#finished-files li').waitFor()
  const links = await page
    .locator('a[href*="/files/"]')
    .evaluateAll((all) => all.map((a) => a.href))
  say('finished', { links, text: await page.locator('main').innerText(), problems })
}
