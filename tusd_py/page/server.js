// What the server says of itself on the page.

const { uploads, downloads } = document.documentElement.dataset

/** The creation URL. It is resolved here, for only the browser sees a prefix that a proxy takes away. */
export const endpoint = new URL(uploads, location.href).href

/** Whether finished uploads can be fetched by their URL alone. */
export const offersDownloads = downloads === 'open'

export const tus = { 'Tus-Resumable': '1.0.0' }

/** Returns the URL of an upload that *text* names, or null: it may be anything a link contains. */
export function uploadUrl(text) {
  if (!URL.canParse(text, endpoint)) return null
  const url = new URL(text, endpoint)
  const id = url.href.slice(endpoint.length)
  return url.href.startsWith(endpoint) && /^[0-9a-f]{32}$/.test(id) ? url.href : null
}
