// The page is loaded anew in the middle of two uploads: one file is still there afterwards, the
// other one is larger than what the browser keeps, and has to be chosen again.
//
//   task.url    URL of the page
//   task.kept   path of the file that is kept
//   task.large  path of the one that is not

import {
  choose,
  finished,
  openPage,
  sent,
  slow,
  startUpload,
  tusRequests,
} from './page_parts.mjs'

export default async ({ browser, task, say, watch, shoot }) => {
  const context = await browser.newContext()
  const { page, problems } = await openPage(context, task.url, watch)
  await slow(page, 8)
  await choose(page, [task.kept, task.large])
  await startUpload(page)
  await sent(page, 12)
  // Uppy notes its state twice a second.
  await page.waitForTimeout(600)
  await page.reload()
  await slow(page, null)

  const requests = tusRequests(page)
  await page.getByText('We could not fully recover 1 file').waitFor()
  await shoot(page, 'page-reloaded')
  await page.getByRole('button', { name: 'Re-select' }).click()
  await choose(page, task.large)
  await page.getByText('We restored all files').waitFor()
  await startUpload(page)
  say('finished', { files: await finished(page, 2), requests, problems })
}
