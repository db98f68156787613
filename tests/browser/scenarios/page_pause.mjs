// An upload is paused and resumed; the next one is cancelled.
//
//   task.url    URL of the page
//   task.files  paths of both files

import {
  awaitedLater,
  choose,
  finished,
  openPage,
  press,
  runningUpload,
  sent,
  slow,
  startUpload,
  tusRequests,
} from './page_parts.mjs'

export default async ({ browser, task, say, hear, watch, shoot }) => {
  const context = await browser.newContext()
  const { page, problems } = await openPage(context, task.url, watch)
  const requests = tusRequests(page)
  const [first, second] = task.files
  await slow(page, 2)
  await choose(page, first)
  await startUpload(page)
  await sent(page, 25)
  await shoot(page, 'page-uploading')
  await press(page, 'Pause')
  await shoot(page, 'page-paused')
  say('paused', { url: await runningUpload(page) })

  await hear()
  await slow(page, null)
  await press(page, 'Resume')
  say('resumed', { files: await finished(page, 1), requests })

  await press(page, 'Done')
  await slow(page, 2)
  await choose(page, second)
  await startUpload(page)
  await sent(page, 25)
  const url = await runningUpload(page)
  const removal = awaitedLater(
    page.waitForResponse((answer) => answer.request().method() === 'DELETE'),
  )
  await press(page, 'Cancel')
  say('cancelled', { url, status: (await removal).status(), files: await finished(page, 1), problems })
}
