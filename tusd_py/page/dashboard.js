// Uppy's Dashboard, uploading to this server.

import Uppy from '@uppy/core'
import Dashboard from '@uppy/dashboard'
import GoldenRetriever from '@uppy/golden-retriever'
import Tus from '@uppy/tus'
import { forget, remember } from './remembered.js'
import { endpoint, offersDownloads } from './server.js'
import { credentials, mayAsk, refused, whenTokenChanges } from './token.js'
import { watchLink } from './watching.js'
import { announce, element } from './words.js'

const MIB = 2 ** 20
// Five minutes in all, begun anew after each success: a restart and most outages are over by then.
const RETRY_DELAYS = [0, 1000, 3000, 5000, 5000, 10_000, 10_000, 20_000, 30_000, 30_000]
  .concat(Array(6).fill(30_000))

export function showDashboard() {
  const uppy = new Uppy({ id: `tusd_py ${endpoint}` })
    .use(Dashboard, {
      inline: true,
      target: '#dashboard',
      width: '100%',
      height: 440,
      theme: 'auto',
      proudlyDisplayPoweredByUppy: false, // the foot of the page says so
      fileManagerSelectionType: 'both',
      showLinkToFileUploadResult: offersDownloads(),
    })
    // Browsers open six connections to a server. Three are left for windows that watch, and the rest.
    .use(Tus, {
      endpoint,
      limit: 3,
      retryDelays: RETRY_DELAYS,
      removeFingerprintOnSuccess: true,
      onBeforeRequest,
      onAfterResponse,
    })
    // Keeps a copy of the files, so that they are there after a reload; what is larger has to be
    // chosen again, and goes on where it was.
    .use(GoldenRetriever, { indexedDB: { maxFileSize: 100 * MIB, maxTotalSize: 500 * MIB } })

  uppy.on('upload-success', ({ name, size }, { uploadURL }) => {
    remember({ url: uploadURL, name, size, finished: true })
    announce(`${name} is uploaded.`)
  })
  uppy.on('upload-error', ({ name }) => announce(`${name} could not be uploaded.`))
  uppy.on('file-removed', ({ tus, progress }) => {
    if (tus?.uploadUrl && !progress.uploadComplete) forget(tus.uploadUrl)
  })
  whenTokenChanges(() => {
    uppy.getPlugin('Dashboard').setOptions({ showLinkToFileUploadResult: offersDownloads() })
    // What was refused goes on with the new token; Uppy itself shows what fails again.
    if (!mayAsk() || !uppy.getFiles().some(({ error }) => error)) return
    uppy.setState({ info: [] }) // what it said of the failures
    uppy.retryAll().catch(() => {})
  })
  uppy.on('state-update', (before, { files }) => {
    if (files !== before.files) showRunning(Object.values(files))
  })
}

function onBeforeRequest(request) {
  for (const [name, value] of Object.entries(credentials())) request.setHeader(name, value)
}

function onAfterResponse(request, response) {
  if (response.getStatus() === 401) refused(request.getHeader('Authorization'), response.getBody())
}

let shown = ''

/** Lists uploads that have a URL but not all their bytes, to be watched elsewhere. */
function showRunning(files) {
  const running = files.filter(({ tus, progress }) => tus?.uploadUrl && !progress.uploadComplete)
  const key = running.map(({ tus }) => tus.uploadUrl).join(' ')
  if (key === shown) return // most changes are of progress alone
  shown = key
  for (const { tus, name, size } of running) {
    remember({ url: tus.uploadUrl, name, size, finished: false })
  }
  document.getElementById('running').hidden = running.length === 0
  document.getElementById('running-files').replaceChildren(...running.map(line))
}

function line({ tus, name }) {
  const watch = element(
    'a',
    // A window that knows its opener gets a copy of the session storage, and so of the token.
    { href: watchLink(tus.uploadUrl), target: '_blank', rel: 'opener' },
    'Watch',
    element('span', { class: 'hearable' }, ` ${name}`),
    ' in another window',
  )
  return element('li', {}, element('span', { class: 'name' }, name), watch)
}
