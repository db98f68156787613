// The list of finished uploads, with links to fetch them.

import { forget, remembered, whenChanged } from './remembered.js'
import { offersDownloads, tus } from './server.js'
import { ask, mayAsk, whenTokenChanges } from './token.js'
import { element, size } from './words.js'

export function showFinished() {
  whenChanged(show)
  whenTokenChanges(() => {
    show()
    forgetRemoved()
  })
  forgetRemoved()
}

function show() {
  const finished = remembered().filter((upload) => upload.finished)
  document.getElementById('nothing-finished').hidden = finished.length > 0
  document.getElementById('finished-files').replaceChildren(...finished.map(line))
}

function line({ url, name, size: bytes }) {
  const title = offersDownloads()
    ? element('a', { href: url, download: '', class: 'name' }, name)
    : element('span', { class: 'name' }, name)
  return element('li', {}, title, element('span', { class: 'quiet' }, size(bytes)))
}

/** Drops from the list what is no longer on the server; while that cannot be told, it stays. */
async function forgetRemoved() {
  const finished = remembered().filter((upload) => upload.finished)
  for (const { url } of finished) {
    if (!mayAsk()) return
    try {
      const { status } = await ask(url, { method: 'HEAD', headers: tus })
      if ([403, 404, 410].includes(status)) forget(url)
    } catch {
      return // The server is away.
    }
  }
}
