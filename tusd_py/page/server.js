// What the server says of itself on the page.

/** The page's own data: `token` becomes "needed" once the server has asked for one. */
export const page = document.documentElement.dataset

/** The creation URL. It is resolved here, for only the browser sees a prefix that a proxy takes away. */
export const endpoint = new URL(page.uploads, location.href).href

/** Tells whether finished uploads can be fetched by their URL alone: a link carries no token. */
export function offersDownloads() {
  return page.downloads === 'open' && page.token !== 'needed'
}

export const tus = { 'Tus-Resumable': '1.0.0' }

/** Returns the URL of an upload that *text* names, or null: it may be anything a link contains. */
export function uploadUrl(text) {
  if (!URL.canParse(text, endpoint)) return null
  const url = new URL(text, endpoint)
  const id = url.href.slice(endpoint.length)
  return url.href.startsWith(endpoint) && /^[0-9a-f]{32}$/.test(id) ? url.href : null
}
