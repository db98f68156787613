// The page without Uppy: it is complete by itself but for the Dashboard.

import { showFinished } from './finished.js'
import { endpoint } from './server.js'
import { snippets } from './snippets.js'
import { showToken } from './token.js'
import { showWatching, watched } from './watching.js'
import { announce, element } from './words.js'

for (const place of document.querySelectorAll('.endpoint')) place.textContent = endpoint
showToken()

if (watched === null) {
  showFinished()
  showSnippets()
} else {
  showWatching()
}

function showSnippets() {
  const shown = snippets(endpoint).map(([title, code], index) => {
    const text = element('code', {}, code)
    const copy = element('button', { type: 'button', 'aria-label': `Copy the code for ${title}` }, 'Copy')
    copy.addEventListener('click', () => copyText(text, copy))
    // A block that scrolls sideways has to be reachable by keyboard.
    const block = element('pre', { tabindex: '0', role: 'region', 'aria-label': `Code for ${title}` }, text)
    const details = element('details', { name: 'snippet' }, element('summary', {}, title), block, copy)
    details.open = index === 0
    return details
  })
  document.getElementById('snippets').append(...shown)
}

async function copyText(text, button) {
  let said = 'Copied'
  try {
    await navigator.clipboard.writeText(text.textContent)
  } catch {
    // Browsers lend the clipboard to https and localhost alone.
    getSelection().selectAllChildren(text)
    said = 'Selected: press Ctrl+C'
  }
  button.textContent = said
  announce(said)
  setTimeout(() => {
    button.textContent = 'Copy'
  }, 3000)
}
