// The server is killed in the middle of an upload, and started again.
//
//   task.url   URL of the page
//   task.file  path of what it uploads

import { choose, finished, openPage, sent, slow, startUpload, tusRequests } from './page_parts.mjs'

export default async ({ browser, task, say, hear, watch }) => {
  const context = await browser.newContext()
  const { page, problems } = await openPage(context, task.url, watch)
  await slow(page, 4)
  await choose(page, task.file)
  await startUpload(page)
  await sent(page, 30)
  say('sending')

  await hear() // it is dead
  const requests = tusRequests(page)
  await page.waitForEvent('requestfailed')
  say('noticed')

  await hear() // it lives again
  await slow(page, null)
  say('finished', { files: await finished(page, 1), requests, problems })
}
