// Ten files go through, are listed with links, and leave the list when the server removed them.
//
//   task.url    URL of the page
//   task.files  paths of what it uploads

import { choose, finished, openPage, startUpload } from './page_parts.mjs'

export default async ({ browser, task, say, hear, watch, shoot }) => {
  const context = await browser.newContext()
  const { page, problems } = await openPage(context, task.url, watch)
  await choose(page, task.files)
  await page.locator('.uppy-Dashboard-Item').nth(task.files.length - 1).waitFor()
  await shoot(page, 'page-files-added')
  await startUpload(page)
  const files = await finished(page, task.files.length)
  await shoot(page, 'page-files-finished')
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.locator('#finished-files a').first().click(),
  ])
  say('finished', { files, downloaded: download.suggestedFilename() })

  await hear() // one has been removed
  await page.reload()
  await page.waitForFunction(
    (most) => document.querySelectorAll('#finished-files a').length < most,
    files.length,
  )
  say('reloaded', { files: await finished(page, 1), problems })
}
