// What scenarios/uploads.mjs has a page with Uppy do, as uploads.js does it with tus-js-client
// alone; conftest.py makes one script of this and Uppy.

import Uppy from '@uppy/core'
import Tus from '@uppy/tus'

const requests = new Map()
let uppy
let ended

// Starts an upload of the chosen file; options are those of Uppy's tus plugin.
function begin({ options }) {
  const [file] = document.querySelector('input').files
  uppy = new Uppy().use(Tus, { ...options, onBeforeRequest, onAfterResponse })
  uppy.addFile({ source: 'page', name: file.name, type: file.type, data: file })
  ended = uppy.upload()
}

function onBeforeRequest(request) {
  const offset = request.getHeader('Upload-Offset')
  requests.set(request, { method: request.getMethod(), offset })
}

function onAfterResponse(request, response) {
  requests.get(request).status = response.getStatus()
}

function state(file = uppy.getFiles()[0]) {
  return { url: file.tus?.uploadUrl ?? null, requests: [...requests.values()] }
}

async function outcome() {
  const { successful, failed } = await ended
  const [file] = [...successful, ...failed]
  const status = [...requests.values()].at(-1).status ?? null
  const event = failed.length ? 'error' : 'success'
  return { event, message: file.error ?? '', status, ...state(file) }
}

function pause() {
  uppy.pauseAll()
  return state()
}

function resume() {
  uppy.resumeAll()
}

Object.assign(globalThis, { begin, outcome, pause, resume })
