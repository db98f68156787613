// Everything is done by keyboard alone, and the focus is seen at each step.
//
//   task.url   URL of the page
//   task.file  path of what it uploads

import { awaitedLater, finished, openPage } from './page_parts.mjs'

const MOST_STEPS = 40

/** Tells what has the focus, and whether that shows. */
function focused(page) {
  return page.evaluate(() => {
    const element = document.activeElement
    const { outlineStyle, outlineWidth } = getComputedStyle(element)
    const { width, height } = element.getBoundingClientRect()
    return {
      name: element.getAttribute('aria-label') ?? element.textContent.trim(),
      shows: outlineStyle === 'solid' && outlineWidth === '3px' && width > 1 && height > 1,
    }
  })
}

/** Presses Tab until the focus is on what is called *name*; returns all stops without a sign. */
async function tabTo(page, name) {
  const hidden = []
  for (let step = 0; step < MOST_STEPS; step += 1) {
    await page.keyboard.press('Tab')
    const stop = await focused(page)
    if (!stop.shows) hidden.push(stop.name)
    if (name.test(stop.name)) return hidden
  }
  throw new Error(`Tab never came to ${name}`)
}

export default async ({ browser, task, say, watch, shoot }) => {
  const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] })
  const { page, problems } = await openPage(context, task.url, watch)
  // Asked for this early, Chromium will hand the dialogue to us rather than to nobody.
  const chosen = awaitedLater(page.waitForEvent('filechooser'))
  const hidden = await tabTo(page, /^Skip to the content$/)
  await shoot(page, 'page-skip-link')
  await page.keyboard.press('Enter')
  const skipped = await page.evaluate(() => document.activeElement.id)

  hidden.push(...(await tabTo(page, /^browse files$/)))
  await page.keyboard.press('Enter')
  const chooser = await chosen
  await chooser.setFiles(task.file)
  await page.locator('.uppy-Dashboard-Item').waitFor()
  hidden.push(...(await tabTo(page, /^Upload 1 file$/)))
  await page.keyboard.press('Enter')
  const [file] = await finished(page, 1)
  const heard = await page.locator('#messages').textContent()

  hidden.push(...(await tabTo(page, new RegExp(`^${file.name}$`))))
  hidden.push(...(await tabTo(page, /^curl$/)))
  await page.keyboard.press('Enter')
  hidden.push(...(await tabTo(page, /^Copy the code for curl$/)))
  await page.keyboard.press('Enter')
  await page.getByText('Copied').first().waitFor()
  await shoot(page, 'page-keyboard')
  const copied = await page.evaluate(() => navigator.clipboard.readText())
  const names = await page.getByRole('button').evaluateAll((all) =>
    all.map((button) => button.getAttribute('aria-label') ?? button.textContent.trim()),
  )
  say('finished', { skipped, hidden, heard, copied, names, problems })
}
