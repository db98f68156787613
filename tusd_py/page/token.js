// The token that says whose this page's requests are, and the form that asks for it.
//
// It is kept in the session storage alone: a reload in the middle of an upload finds it there, and
// so does a window that this one opens to watch; whoever uses the browser later does not. It is in
// no URL, for those stay in histories and logs.

import { endpoint, page } from './server.js'

const KEY = `tusd_py token ${endpoint}`
const UNEXPLAINED = 'The server does not take this token: give it another one.'
const listeners = new Set()
let token = ''

/** Returns what a request has to have besides, to say whose it is. */
export function credentials() {
  return token ? { Authorization: `Bearer ${token}` } : {}
}

/** Tells whether a request may be answered: the server needs no token, or there is one. */
export function mayAsk() {
  return page.token !== 'needed' || token !== ''
}

/** Sends a request with the token, and asks for another one where that is refused. */
export async function ask(url, { headers, ...options }) {
  const sent = credentials()
  const answer = await fetch(url, { headers: { ...headers, ...sent }, cache: 'no-store', ...options })
  if (answer.status === 401) refused(sent.Authorization, await answer.text())
  return answer
}

/**
 * Notes that the server answered 401 and *body* to a request with this Authorization; the answer
 * to a token that has been replaced since means nothing.
 */
export function refused(authorization, body) {
  if (authorization !== credentials().Authorization) return
  page.token = 'needed'
  if (authorization !== undefined) complain(detailOf(body))
  change('')
  field().focus()
}

/** Calls *listener* whenever a token is given, refused or forgotten. */
export function whenTokenChanges(listener) {
  listeners.add(listener)
}

/** Waits until there is a token. */
export function nextToken() {
  return new Promise((resolve) => {
    const listener = () => {
      if (token === '') return
      listeners.delete(listener)
      resolve()
    }
    whenTokenChanges(listener)
  })
}

/** Shows the form where a token is needed, now and from now on. */
export function showToken() {
  document.getElementById('token-form').addEventListener('submit', (event) => {
    event.preventDefault()
    const given = field().value.trim().replace(/^Bearer +/i, '')
    field().value = ''
    complain('')
    change(given)
    document.getElementById('token-kept').focus() // the field, which had it, is gone
  })
  document.getElementById('token-forget').addEventListener('click', () => {
    change('')
    field().focus()
  })
  token = kept()
  if (token !== '') page.token = 'needed'
  show()
}

function change(given) {
  token = given
  try {
    if (given === '') sessionStorage.removeItem(KEY)
    else sessionStorage.setItem(KEY, given)
  } catch {
    // Switched off: then the token ends with this page.
  }
  show()
  for (const listener of [...listeners]) listener()
}

function kept() {
  try {
    return sessionStorage.getItem(KEY) ?? ''
  } catch {
    return ''
  }
}

function show() {
  document.getElementById('token').hidden = page.token !== 'needed'
  document.getElementById('token-form').hidden = token !== ''
  document.getElementById('token-kept').hidden = token === ''
}

function complain(complaint) {
  document.getElementById('token-refused').textContent = complaint
}

/** Returns what a problem (RFC 9457) says of itself; proxies answer something else. */
function detailOf(body) {
  try {
    return JSON.parse(body).detail ?? UNEXPLAINED
  } catch {
    return UNEXPLAINED
  }
}

function field() {
  return document.getElementById('token-field')
}
