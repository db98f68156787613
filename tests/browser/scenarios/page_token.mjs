// A server that wants a token: the page without one, with a wrong one, and with the right ones; a
// second window and a reload; a token that is taken back in the middle.
//
//   task.url     URL of the page
//   task.file    path of what it uploads
//   task.tokens  a wrong one, the right one, and the one that takes its place

import {
  choose,
  giveToken,
  openPage,
  openWatching,
  press,
  runningUpload,
  sent,
  slow,
  startUpload,
  tusRequests,
} from './page_parts.mjs'

export default async ({ browser, task, say, hear, watch, shoot }) => {
  const [wrong, right, next] = task.tokens
  const context = await browser.newContext()
  const logged = []
  const asked = []
  context.on('console', (message) => logged.push(message.text()))
  context.on('request', (request) => asked.push(request.url()))
  const { page, problems } = await openPage(context, task.url, watch)
  await slow(page, 2)
  await choose(page, task.file)
  await shoot(page, 'page-token-asked')
  await startUpload(page)
  await page.getByText('Upload failed').first().waitFor()
  await giveToken(page, wrong)
  const complaint = page.locator('#token-refused:not(:empty)')
  await complaint.waitFor()
  const focused = await page.evaluate(() => document.activeElement.id)
  await shoot(page, 'page-token-refused')
  const chosen = await page.locator('.uppy-Dashboard-Item').count()
  say('refused', { complaint: await complaint.textContent(), focused, chosen })

  await giveToken(page, right)
  const url = await runningUpload(page)
  await sent(page, 20)
  const { watching, problems: itsProblems } = await openWatching(page, watch)
  await watching.getByText('Uploading.').waitFor()
  await shoot(watching, 'page-token-watching')
  await watching.close()
  await page.waitForTimeout(600) // Uppy notes its state twice a second
  await page.reload()
  await slow(page, 2)

  const requests = tusRequests(page)
  await page.locator('#token-kept').waitFor()
  await startUpload(page)
  await sent(page, 70)
  await press(page, 'Pause')
  say('paused', { url })
  await hear() // the token is no longer good
  await press(page, 'Resume')
  await complaint.waitFor()
  await giveToken(page, next)
  await page.locator('#finished-files li').waitFor()
  await shoot(page, 'page-token-finished')
  const storage = () => page.evaluate(() => [JSON.stringify(localStorage), JSON.stringify(sessionStorage)])
  const [local, session] = await storage()
  const links = await page.locator('a[href*="/files/"]').count()
  await page.getByRole('button', { name: 'Forget it' }).click()
  await page.locator('#token-field').waitFor()
  const seen = [...logged, ...asked, local, (await storage())[1], await page.content()]
  say('finished', {
    requests,
    links,
    kept: session.includes(next),
    leaked: seen.filter((text) => task.tokens.some((token) => text.includes(token))),
    problems: [...problems, ...itsProblems],
  })
}
