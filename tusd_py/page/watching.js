// The view that only watches an upload: /?watch=URL. Watching never disturbs whoever writes it, so
// nothing is asked for here but its events.

import { eventsOf, Refusal } from './events.js'
import { remembered } from './remembered.js'
import { offersDownloads, uploadUrl } from './server.js'
import { nextToken } from './token.js'
import { element, size, time } from './words.js'

const WAIT = 2000
const ENDS = {
  finished: 'Finished.',
  terminated: 'Cancelled: the upload was removed.',
  expired: 'Expired: the upload was removed.',
  rejected: 'Rejected: the upload was removed.',
  failed: 'Failed: the upload cannot be finished.',
}
const REFUSALS = {
  401: 'Waiting for a token.',
  403: 'This token does not let you watch.',
  404: 'The server knows no such upload, or no longer.',
  410: 'The upload was removed: it had expired, or was rejected.',
}

/** The `watch` of this page's address, or null on the page that uploads. */
export const watched = new URLSearchParams(location.search).get('watch')

export function watchLink(url) {
  return `./?watch=${encodeURIComponent(new URL(url).pathname)}`
}

export function showWatching() {
  for (const section of document.querySelectorAll('main > section')) section.hidden = true
  document.getElementById('watch').hidden = false
  const url = uploadUrl(watched)
  if (url === null) {
    say('That link leads to no upload of this server.')
    return
  }
  const known = remembered().find((upload) => upload.url === url)
  const name = known?.name ?? `Upload ${url.slice(-32, -24)} …`
  document.getElementById('watch-name').textContent = name
  document.title = `${name} · tusd_py`
  follow(url)
}

/** Shows the upload's progress until it ends, whatever becomes of the line meanwhile. */
async function follow(url) {
  for (;;) {
    try {
      for await (const { event, data } of eventsOf(`${url}/events`)) {
        draw(event === 'progress' ? data : { ...data, rate: null })
        if (event !== 'progress') return end(event, data, url)
        say(going(data))
      }
      say('The server is away; waiting for it.')
    } catch (error) {
      const refusal = error instanceof Refusal && REFUSALS[error.status]
      say(refusal || 'The server is away; waiting for it.')
      if (refusal && error.status !== 401) return
      if (refusal) await nextToken()
    }
    await new Promise((resolve) => setTimeout(resolve, WAIT))
  }
}

function going({ rate, state }) {
  if (state === 'checking') return 'Everything has arrived, and is being checked.'
  return rate > 0 ? 'Uploading.' : 'Nothing arrives at the moment.'
}

function end(event, { reason }, url) {
  say(reason ? `Rejected: ${reason}` : (ENDS[event] ?? `Ended: ${event}.`))
  if (event === 'finished' && offersDownloads()) {
    const link = element('a', { href: url, download: '' }, 'Download it')
    document.getElementById('watch-links').prepend(link, ' · ')
  }
}

function draw({ offset, received, length, rate, seconds_left: left }) {
  const arrived = Math.max(offset ?? 0, received ?? 0)
  const bar = document.getElementById('watch-progress')
  if (length === null) bar.removeAttribute('value')
  else bar.value = length === 0 ? 1 : arrived / length
  const figures = [length === null ? size(arrived) : `${size(arrived)} of ${size(length)}`]
  if (rate > 0) figures.push(`${size(rate)}/s`)
  if (rate > 0 && left !== null) figures.push(`${time(left)} left`)
  document.getElementById('watch-figures').textContent = figures.join(' · ')
}

/** Says *message*, once: it is read aloud. */
function say(message) {
  const state = document.getElementById('watch-state')
  if (state.textContent !== message) state.textContent = message
}
