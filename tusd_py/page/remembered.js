// The uploads that this browser made here, kept in its local storage, the newest first.
//
// Each is { url, name, size, finished }. Other windows of this browser change them, too.

import { endpoint } from './server.js'

const KEY = `tusd_py ${endpoint}`
const MOST = 100
const listeners = new Set()

addEventListener('storage', ({ key }) => {
  if (key === KEY) tell()
})

export function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '[]')
    return Array.isArray(kept) ? kept : []
  } catch {
    return [] // not ours, or storage is switched off
  }
}

export function remember(upload) {
  // What Golden Retriever restores may be older: there a finished upload is still on its way.
  if (remembered().some(({ url, finished }) => url === upload.url && finished)) return
  keep([upload, ...remembered().filter(({ url }) => url !== upload.url)].slice(0, MOST))
}

export function forget(gone) {
  keep(remembered().filter(({ url }) => url !== gone))
}

/** Calls *listener* now, and whenever something changes. */
export function whenChanged(listener) {
  listeners.add(listener)
  listener()
}

function keep(uploads) {
  try {
    localStorage.setItem(KEY, JSON.stringify(uploads))
  } catch {
    // Full, or switched off: then the list ends with this page.
  }
  tell()
}

function tell() {
  for (const listener of listeners) listener()
}
