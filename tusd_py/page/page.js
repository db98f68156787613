// The page with Uppy: build.mjs makes one file of this and what it imports.

import '@uppy/core/css/style.min.css'
import '@uppy/dashboard/css/style.min.css'
import './page.css'
import './plain.js'
import { showDashboard } from './dashboard.js'
import { watched } from './watching.js'

if (watched === null) showDashboard()
