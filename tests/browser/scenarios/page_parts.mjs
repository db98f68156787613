// What the scenarios of the page at / share: opening it, choosing files, slowing it down, waiting.

const MIB = 2 ** 20
const networks = new WeakMap()

/** Opens the page at *url*, and returns it with what goes wrong on it. */
export async function openPage(context, url, watch) {
  const page = await context.newPage()
  const problems = watch(page)
  await page.goto(url)
  await page.locator('.uppy-Dashboard-inner').waitFor()
  return { page, problems }
}

/** Opens the window that watches the one upload that is under way. */
export async function openWatching(page, watch) {
  const [watching] = await Promise.all([
    page.waitForEvent('popup'),
    page.getByRole('link', { name: /^Watch .* in another window$/ }).click(),
  ])
  return { watching, problems: watch(watching) }
}

/** Fills the form that asks for a token. */
export async function giveToken(page, token) {
  await page.getByLabel('This server wants a token with every request').fill(token)
  await page.getByRole('button', { name: 'Use it' }).click()
}

/** Returns *promise*, which may fail before anybody awaits it: when the scene ends early. */
export function awaitedLater(promise) {
  promise.catch(() => {})
  return promise
}

/** Chooses files by their paths. */
export async function choose(page, files) {
  await page.locator('input.uppy-Dashboard-input').first().setInputFiles(files)
}

export async function startUpload(page) {
  await page.getByRole('button', { name: /^Upload \d+ files?$/ }).click()
}

/** Presses the button below all files that has this name: Pause, Resume, Cancel. */
export async function press(page, name) {
  await page.locator('.uppy-StatusBar-actions').getByRole('button', { name }).click()
}

/** Lets the page send so many MiB a second; null for as many as it can. */
export async function slow(page, mibPerSecond) {
  // Two sessions would slow it down one after the other, and the slower one would win.
  if (!networks.has(page)) networks.set(page, await page.context().newCDPSession(page))
  const session = networks.get(page)
  await session.send('Network.enable')
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: mibPerSecond === null ? -1 : mibPerSecond * MIB,
  })
}

/** Waits until the page has sent at least so many percent, and returns how many. */
export async function sent(page, percent) {
  const handle = await page.waitForFunction((least) => {
    const bar = document.querySelector('.uppy-StatusBar-progress')
    const now = Number(bar?.getAttribute('aria-valuenow'))
    return now >= least && now
  }, percent)
  return handle.jsonValue()
}

/** Returns an array that fills with the tus requests that the page makes. */
export function tusRequests(page) {
  const requests = []
  page.on('request', (request) => {
    if (!/\/files\/[0-9a-f]*$/.test(new URL(request.url()).pathname)) return
    const offset = request.headers()['upload-offset']
    const asked = { method: request.method(), url: request.url() }
    requests.push(offset === undefined ? asked : { ...asked, offset: Number(offset) })
  })
  return requests
}

/** Waits for so many finished files, and returns their names and URLs. */
export async function finished(page, count) {
  const links = page.locator('#finished-files a')
  await links.nth(count - 1).waitFor()
  return links.evaluateAll((all) => all.map((a) => ({ name: a.textContent, url: a.href })))
}

/** Waits for the link to watch the one upload that is under way, and returns that upload's URL. */
export async function runningUpload(page) {
  const link = page.locator('#running-files a')
  await link.waitFor()
  const watching = new URL(await link.evaluate((a) => a.href))
  return new URL(watching.searchParams.get('watch'), watching).href
}
