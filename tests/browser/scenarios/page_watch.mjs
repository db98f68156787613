// A second window watches an upload to its end, another one until it is cancelled.
//
//   task.url    URL of the page
//   task.files  paths of both files

import {
  choose,
  finished,
  openPage,
  openWatching,
  press,
  sent,
  slow,
  startUpload,
  tusRequests,
} from './page_parts.mjs'

export default async ({ browser, task, say, watch, shoot }) => {
  const context = await browser.newContext()
  const { page, problems } = await openPage(context, task.url, watch)
  const requests = tusRequests(page)
  const [first, second] = task.files
  await slow(page, 2)
  await choose(page, first)
  await startUpload(page)
  await sent(page, 10)

  const { watching, problems: itsProblems } = await openWatching(page, watch)
  const seen = []
  await watching.exposeFunction('see', (value) => seen.push(value))
  await watching.evaluate(() => {
    const bar = document.getElementById('watch-progress')
    new MutationObserver(() => globalThis.see(bar.value)).observe(bar, { attributes: true })
  })
  await watching.getByText('Uploading.').waitFor()
  await watching.getByText(/of 8\.0 MiB · .*iB\/s · .* left/).waitFor()
  await shoot(watching, 'page-watching')
  await watching.getByText('Finished.').waitFor()
  await shoot(watching, 'page-watched')
  const name = await watching.locator('#watch-name').textContent()
  const link = await watching.getByRole('link', { name: 'Download it' }).evaluate((a) => a.href)
  const files = await finished(page, 1)
  await watching.close()
  say('finished', { seen, name, link, files, requests: [...requests] })

  await press(page, 'Done')
  await choose(page, second)
  await startUpload(page)
  await sent(page, 10)
  const other = await openWatching(page, watch)
  await other.watching.getByText('Uploading.').waitFor()
  await page.bringToFront() // or it would wait for frames that nobody draws
  await press(page, 'Cancel')
  await other.watching.getByText('Cancelled: the upload was removed.').waitFor()
  say('cancelled', { problems: [...problems, ...itsProblems, ...other.problems] })
}
