// The views of the live page, in the order of its grid. Each knows the kinds that it names; what none of them names is shown by `others`.
//
// A view is a function that gives {kinds, element, take(kind, data, at, live), draw(), reset()}, and where something in it moves by itself,
// second(now). `take` only keeps what it is told, within bounds; `draw` is called at most once a frame.

import { changes } from './changes.js';
import { deliveries } from './deliveries.js';
import { entitlements } from './entitlements.js';
import { runs } from './runs.js';
import { scheduler } from './scheduler.js';

export const views = [runs, changes, scheduler, entitlements, deliveries];
