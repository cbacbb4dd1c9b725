// Gives the console `number` events of six kinds, `each` of them a frame, with texts of `big` characters: more than any server of a test would.

async ({ number, each, big }) => {
  const { take } = await import('/console/main.js');
  const stages = ['queued', 'fetching', 'extracting', 'diffing', 'classifying', 'completed'];
  const levels = ['low', 'medium', 'high', 'critical'];
  const at = new Date().toISOString();
  const long = 'x'.repeat(big);
  const kinds = {
    'run.stage': (n) => ({
      runId: `run_${Math.floor(n / 36)}`, vendorId: `vendor-${n % 97}`, stage: stages[Math.floor(n / 6) % 6], status: 'progress',
      progress: (n % 10) / 10, attempt: 1 + (n % 3), message: `Step ${n}`,
    }),
    'change.detected': (n) => ({
      changeId: `chg_${n}`, runId: `run_${Math.floor(n / 36)}`, vendorId: 'vendor', documentUrl: 'https://vendor.example/terms',
      title: `Change ${n}`, summary: long, category: 'terms', severity: levels[n % 4], detectedAt: at,
    }),
    'change.stateChanged': (n) => ({ changeId: `chg_${n - 1}`, from: 'new', to: 'in_review', actor: { type: 'user', id: 'someone' }, changedAt: at }),
    'action.delivered': (n) => ({
      actionId: `act_${Math.floor(n / 12)}`, channel: 'slack', target: '#watch', status: ['retrying', 'delivered'][n % 2], attempt: 1 + (n % 4), deliveredAt: at,
    }),
    'weather.sampled': (n) => ({ station: `station ${n}`, celsius: n % 40, notes: [long] }),
    'scheduler.tick': (n) => ({ tickId: `tick_${n}`, cadenceSeconds: 30, scheduledFor: at, startedAt: at, nextTickAt: at, dueRuns: n % 9 }),
  };
  const makers = Object.entries(kinds);
  for (let n = 0; n < number; n += 1) {
    const [kind, data] = makers[n % makers.length];
    take({ id: `epoch-${n}`, kind, org: 'acme', at, data: data(n) }, true);
    if (n % each === each - 1) await new Promise(requestAnimationFrame);
  }
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}
