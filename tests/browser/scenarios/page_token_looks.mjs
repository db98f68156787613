// The form for a token at two widths, light and dark, on a server that does not say beforehand
// that it wants one.
//
//   task.url    URL of the page
//   task.file   path of what it uploads
//   task.token  the right one

import { choose, giveToken, openPage, startUpload } from './page_parts.mjs'

export default async ({ browser, task, say, watch, shoot }) => {
  for (const [width, colorScheme] of [
    [1280, 'light'],
    [375, 'dark'],
  ]) {
    const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme })
    const { page, problems } = await openPage(context, task.url, watch)
    const before = await page.locator('#token').isVisible()
    await choose(page, task.file)
    await startUpload(page)
    await page.locator('#token-form').waitFor()
    await shoot(page, `page-token-${width}-${colorScheme}-asked`)
    await giveToken(page, 'wrong')
    await page.locator('#token-refused:not(:empty)').waitFor()
    await shoot(page, `page-token-${width}-${colorScheme}-refused`)
    await giveToken(page, `Bearer ${task.token}`)
    await page.locator('#finished-files li').waitFor()
    await shoot(page, `page-token-${width}-${colorScheme}`)
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    const name = await page.locator('#finished-files li').innerText()
    say('seen', { before, overflow, name, problems })
    await context.close()
  }
}
