// The view that only watches an upload: /?watch=URL. Watching never disturbs whoever writes it, so
// nothing is asked for here but its events.

import { remembered } from './remembered.js'
import { offersDownloads, uploadUrl } from './server.js'
import { element, size, time } from './words.js'

const ATTEMPTS = 5
const WAIT = 2000

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
  follow(url, ATTEMPTS)
}

function follow(url, attempts) {
  const events = new EventSource(`${url}/events`)
  const end = (message) => {
    events.close()
    say(message)
  }
  events.addEventListener('open', () => {
    attempts = ATTEMPTS
  })
  events.addEventListener('progress', ({ data }) => {
    say(moving(draw(JSON.parse(data))))
  })
  events.addEventListener('finished', ({ data }) => {
    draw({ ...JSON.parse(data), rate: null })
    end('Finished.')
    offer(url)
  })
  events.addEventListener('terminated', () => end('Cancelled: the upload was removed.'))
  events.addEventListener('expired', () => end('Expired: the upload was removed.'))
  events.addEventListener('failed', () => end('Failed: the upload cannot be finished.'))
  events.addEventListener('error', () => {
    // A line that broke is tried again by the browser; a status is not, though a server that
    // restarts behind a proxy answers 502 meanwhile.
    if (events.readyState !== EventSource.CLOSED) say('The server is away; waiting for it.')
    else if (attempts > 1) setTimeout(follow, WAIT, url, attempts - 1)
    else say('The server knows no such upload, or no longer.')
  })
}

function draw(progress) {
  const { offset, received, length, rate, seconds_left: left } = progress
  const arrived = Math.max(offset ?? 0, received ?? 0)
  const bar = document.getElementById('watch-progress')
  if (length === null) bar.removeAttribute('value')
  else bar.value = length === 0 ? 1 : arrived / length
  const figures = [length === null ? size(arrived) : `${size(arrived)} of ${size(length)}`]
  if (rate > 0) figures.push(`${size(rate)}/s`)
  if (rate > 0 && left !== null) figures.push(`${time(left)} left`)
  document.getElementById('watch-figures').textContent = figures.join(' · ')
  return progress
}

function moving({ rate }) {
  return rate > 0 ? 'Uploading.' : 'Nothing arrives at the moment.'
}

function offer(url) {
  if (offersDownloads) {
    const link = element('a', { href: url, download: '' }, 'Download it')
    document.getElementById('watch-links').prepend(link, ' · ')
  }
}

/** Says *message*, once: it is read aloud. */
function say(message) {
  const state = document.getElementById('watch-state')
  if (state.textContent !== message) state.textContent = message
}
