// A page of another origin that does what Python asks: each line is a JSON array of a function in
// pages/uploads.js and its arguments, and is answered by an event of that name with the `result`.
// Two are answered here: "load" loads the page and chooses the file, "problems" tells what went
// wrong on it.
//
//   task.page      URL of the page
//   task.file      path of the file that it uploads
//   task.cookies   what the browser has beforehand, as playwright-core takes them

export default async ({ browser, task, say, hear, watch }) => {
  const context = await browser.newContext()
  await context.addCookies(task.cookies ?? [])
  const page = await context.newPage()
  const problems = watch(page)
  const own = {
    async load() {
      await page.goto(task.page)
      await page.setInputFiles('input', task.file)
    },
    problems: () => problems,
  }
  for (;;) {
    const [name, ...values] = JSON.parse(await hear())
    const result = own[name]
      ? await own[name]()
      : await page.evaluate(([name, values]) => globalThis[name](...values), [name, values])
    say(name, { result: result ?? null })
  }
}
