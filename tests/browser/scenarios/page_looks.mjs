// The page at two widths, light and dark, with and without motion.
//
//   task.url   URL of the page
//   task.file  path of what it uploads

import { choose, finished, openPage, startUpload } from './page_parts.mjs'

export default async ({ browser, task, say, watch, shoot }) => {
  for (const [width, colorScheme, reducedMotion] of [
    [1280, 'light', 'no-preference'],
    [1280, 'dark', 'reduce'],
    [375, 'light', 'reduce'],
    [375, 'dark', 'no-preference'],
  ]) {
    const context = await browser.newContext({
      viewport: { width, height: 800 },
      colorScheme,
      reducedMotion,
    })
    const { page, problems } = await openPage(context, task.url, watch)
    await choose(page, task.file)
    await startUpload(page)
    await finished(page, 1)
    await page.getByText('Upload complete').first().waitFor()
    await shoot(page, `page-${width}-${colorScheme}`)
    say('seen', { ...(await page.evaluate(measure)), problems })
    await context.close()
  }
}

function measure() {
  const seconds = (text) => Math.max(...text.split(',').map(parseFloat))
  const moving = [...document.querySelectorAll('*')].filter((element) => {
    const { animationDuration, transitionDuration } = getComputedStyle(element)
    return seconds(animationDuration) > 0.001 || seconds(transitionDuration) > 0.001
  })
  const [ground] = getComputedStyle(document.body).backgroundColor.match(/\d+/)
  return {
    overflow: document.documentElement.scrollWidth - innerWidth,
    ground: Number(ground),
    dashboard: document.querySelector('.uppy-Dashboard').dataset.uppyTheme,
    moving: moving.length,
  }
}
