// Plays scenarios in one Chromium: node driver.mjs CHROMIUM
//
// Each line on stdin is a JSON object, with the number of its `scene`:
//
//   { scene, play, task }  begins the scenario of that name in scenarios/
//   { scene, tell }        is a line for its hear()
//   { scene, end }         closes what it opened; the answer is { scene, ended }
//
// When stdin closes, so does the browser. Names below .test lead to 127.0.0.1, others nowhere.
//
// A scenario is a module that exports `default async ({ browser, task, say, hear, watch, shoot })`:
//
//   browser             its newPage() and newContext(options) are as playwright-core has them;
//                       contexts share nothing, and close with the scene
//   task                what Python gave; its `seconds` bound the scenario (default 40)
//   say(event, values)  prints a JSON line for Python: `event` besides the values
//   hear()              waits for Python's next line
//   watch(page)         returns an array that fills with what goes wrong on the page: uncaught
//                       errors, console errors and breaches of its Content-Security-Policy
//   shoot(page, name)   keeps a screenshot as .artefacts/NAME.png at the top of the tree
//
// An error ends it with the event "error", its time with "timeout"; either leaves screenshots of
// the open pages.

import { mkdir } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const ARTEFACTS = fileURLToPath(new URL('../../.artefacts/', import.meta.url))
const END_MILLISECONDS = 8000
const RULES = [
  'MAP *.test 127.0.0.1',
  // What Chromium would look for on its own account does not exist here.
  'MAP * ~NOTFOUND',
  'EXCLUDE 127.0.0.1',
  'EXCLUDE localhost',
  'EXCLUDE *.localhost',
]

const chrome = await chromium.launch({
  executablePath: process.argv[2],
  timeout: 20_000,
  // It loads the pages of the tests alone; as root and in containers its sandbox does not start.
  chromiumSandbox: false,
  // Besides those with which playwright-core keeps it from updates, sync and reports.
  args: ['--no-proxy-server', '--disable-domain-reliability', `--host-resolver-rules=${RULES}`],
})

function print(values) {
  process.stdout.write(`${JSON.stringify(values)}\n`)
}

async function shoot(page, name) {
  await mkdir(ARTEFACTS, { recursive: true })
  await page.screenshot({ path: `${ARTEFACTS}${name}.png`, timeout: 5000 })
}

function watch(page) {
  const problems = []
  page.on('pageerror', (error) => problems.push(`uncaught: ${error.message}`))
  // Chromium reports each breach of the policy as an error on the console.
  page.on('console', (message) => {
    const { url } = message.location()
    if (message.type() === 'error') problems.push(`console: ${message.text()} (${url})`)
  })
  return problems
}

class Scene {
  contexts = []
  told = []
  listeners = []
  over = false

  constructor({ scene, play, task }) {
    this.number = scene
    this.scenario = play
    this.watchdog = setTimeout(() => this.fail('timeout'), (task.seconds ?? 40) * 1000)
    this.play(task)
  }

  async play(task) {
    try {
      const { default: scenario } = await import(`./scenarios/${this.scenario}.mjs`)
      await scenario({
        browser: {
          newContext: (options) => this.newContext(options),
          newPage: async () => (await this.newContext()).newPage(),
        },
        task,
        say: (event, values) => this.say(event, values),
        hear: () => this.hear(),
        watch,
        shoot,
      })
    } catch (error) {
      await this.fail('error', { message: String(error.stack) })
    }
    clearTimeout(this.watchdog)
  }

  async newContext(options) {
    const context = await chrome.newContext(options)
    this.contexts.push(context)
    return context
  }

  say(event, values = {}) {
    if (!this.over) print({ scene: this.number, event, ...values })
  }

  hear() {
    if (this.told.length) return this.told.shift()
    return new Promise((resolve) => this.listeners.push(resolve))
  }

  tell(line) {
    if (this.listeners.length) this.listeners.shift()(line)
    else this.told.push(line)
  }

  async fail(event, values) {
    if (this.over) return
    const pages = this.contexts.flatMap((context) => context.pages())
    const shots = pages.map((page, index) => shoot(page, `failed-${this.scenario}-${index + 1}`))
    await Promise.allSettled(shots)
    this.say(event, values)
    this.over = true
  }

  async end() {
    this.over = true
    clearTimeout(this.watchdog)
    // A browser that cannot close them is ended with all it has; the next scene gets another.
    const patience = setTimeout(() => process.exit(1), END_MILLISECONDS)
    await Promise.all(this.contexts.map((context) => context.close()))
    clearTimeout(patience)
    print({ scene: this.number, ended: true })
  }
}

const scenes = new Map()
chrome.on('disconnected', () => process.exit(1))
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line)
  const { scene } = message
  if ('play' in message) scenes.set(scene, new Scene(message))
  else if ('tell' in message) scenes.get(scene).tell(message.tell)
  else await scenes.get(scene).end()
}
chrome.removeAllListeners('disconnected')
await chrome.close()
process.exit()
