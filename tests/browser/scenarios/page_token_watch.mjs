// The view that watches, opened on its own: it asks for a token, and goes on through an outage.
//
//   task.url     URL of the view
//   task.tokens  a wrong one and the right one

import { giveToken } from './page_parts.mjs'

export default async ({ browser, task, say, hear, watch }) => {
  const [wrong, right] = task.tokens
  const page = await (await browser.newContext()).newPage()
  const problems = watch(page)
  await page.goto(task.url)
  await page.getByText('Waiting for a token.').waitFor()
  await giveToken(page, wrong)
  await page.locator('#token-refused:not(:empty)').waitFor()
  await giveToken(page, right)
  await page.getByText('Nothing arrives at the moment.').waitFor()
  say('watching', { figures: await page.locator('#watch-figures').textContent() })

  await hear() // the server is gone
  await page.getByText('The server is away; waiting for it.').waitFor()
  say('waiting')
  await hear() // it is back, and has everything
  await page.getByText('Finished.').waitFor()
  const bar = await page.locator('#watch-progress').evaluate(({ value }) => value)
  say('finished', { bar, links: await page.locator('#watch-links a').count(), problems })
}
