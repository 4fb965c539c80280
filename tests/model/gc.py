#!/usr/bin/env python3
"""A model of garbage collection (docs/format.md, section 10.5), run with random schedules.

    tests/model/gc.py [VARIANT] [RUNS] [MACHINES] [STEPS] [FIRST SEED]

VARIANT is `ok`, or the name of a rule that is left out (`list` prints them). A run fails when a commit that counts and that no
epoch in effect forgets refers to a chunk that is in no pack any more, or when heads can't be merged because their common
ancestor is gone.

Machines see records in any order and as late as they like; what a record follows can always be had by name. Only two listings
are bounded: that after a join, and that before an epoch completes, show what was put DELAY steps before they began. Each machine
runs two processes; sessions, marks and completions interleave action by action. Machines join, leave, are cloned (both halves go
on), are retired by others while they work, and crash, leaving packs behind that the next session takes over or gc condemns.
Deletions land late.
"""
import random
import sys

RULES = {
    'claim': 'an epoch completes although writers have not claimed it',
    'refuse': 'W1: writers rely on condemned packs',
    'rescue': 'G3: what is needed again is not copied out',
    'effect': 'forgetting counts before everybody has claimed the epoch',
    'chain': 'views have gaps',
    'ancestry': 'W0: what claims an epoch need not follow it',
    'parallel': 'a process claims what another of its machine has not seen',
    'join': 'W3: a new writer does not list after its join',
    'wait': 'G2: the listing before a completion is not late enough',
    'again': 'a writer that has ended goes on as another without planning anew',
    'resume': 'packs of dead sessions are relied on though they are condemned',
    'single': 'heads are not merged before an epoch completes',
    'idle': 'the last commit of a writer is no root',
    'replace': 'W2: what was staged in a pack condemned since is not stored again',
}
HARMLESS = ('idle', 'replace')
DELAY = 6


class Lost(Exception):
    pass


class Alarm(Exception):
    """Two records in one place: noticed by all, and nothing goes on."""


class Run:
    def __init__(self, seed, without=None, machines=3, steps=320, files=4, chunks=6):
        self.r = random.Random(seed)
        self.without, self.steps, self.files, self.chunks = without, steps, files, chunks
        self.now = self.last = 0
        self.packs = {}      # those that are there: id -> chunks
        self.content = {}    # all there ever were
        self.doomed = []     # deletions on their way: (when, pack)
        self.rec = {}        # the log
        self.anc = {}        # what each record follows
        self.forgotten = set()
        self.keep = {}
        self.completed = self.joins = 0
        self.m = [self.machine() for _ in range(machines)]

    def machine(self):
        return {'writer': None, 'seen': set(), 'own': None, 'run': {}, 'left': [], 'short': self.r.random() < 0.25}

    def new(self):
        self.last += 1
        return self.last

    def pack(self, chunks):
        p = self.new()
        self.packs[p] = self.content[p] = frozenset(chunks)
        return p

    # The log as one machine sees it.

    def closed(self, ids):
        out = set()
        for i in ids:
            out.add(i)
            out |= self.anc[i]
        if self.without == 'chain':
            out -= {i for i in out - set(ids) if self.r.random() < 0.3}
        return out

    def counting(self, seen):
        view = self.closed(seen)
        ended = {}
        for i in view:
            if self.rec[i]['ends']:
                ended.setdefault(self.rec[i]['ends'][0], set()).update(self.rec[i]['ends'][1])
        if not ended:
            return view, ended
        out = set()
        for i in sorted(view):  # parents come first
            r = self.rec[i]
            if r['writer'] in ended and not any(i == k or i in self.anc[k] for k in ended[r['writer']]):
                continue
            if all(p in out for p in r['parents'] | r['prev'] if p in view):
                out.add(i)
        return out, ended

    def heads(self, view):
        followed = set()
        for i in view:
            followed |= self.rec[i]['parents'] | self.rec[i]['prev']
        return view - followed

    def epochs(self, view):
        return {i for i in view if self.rec[i]['kind'] == 'epoch'}

    def condemned(self, epochs):
        out = set()
        for e in epochs:
            out |= self.rec[e]['condemned']
        return out

    def named(self, view, seen=()):
        """The packs that can be found. Those of completions can be even if the record does not count: what was copied out there
        is nowhere else any more."""
        out = set()
        for i in view:
            out |= self.rec[i]['packs']
        for i in self.closed(seen):
            if self.rec[i]['kind'] == 'done':
                out |= self.rec[i]['packs']
        return out

    def listed(self, m, bound):
        """A listing that shows at least what was put before `bound`."""
        m['seen'] |= {i for i, r in self.rec.items() if r['at'] <= bound or self.r.random() < 0.2}

    def put(self, m, kind, parents, tree, packs=(), seen=(), condemned=(), forget=(), closed=False, ends=None):
        mine = m['own']
        seq = self.rec[mine]['seq'] + 1 if mine else 1
        i = self.new()
        prev = {mine} if mine else set()
        for other in self.rec.values():
            if (other['writer'], other['seq']) == (m['writer'], seq):
                raise Alarm
        self.rec[i] = dict(kind=kind, writer=m['writer'], seq=seq, prev=prev, parents=set(parents) - prev, tree=dict(tree),
                           packs=set(packs), seen=set(seen), condemned=set(condemned), forget=set(forget), closed=closed,
                           ends=ends, at=self.now)
        self.anc[i] = set()
        for p in set(parents) | prev:
            self.anc[i] |= self.anc[p] | {p}
        m['own'] = i
        m['seen'].add(i)
        return i

    # Trees.

    def merged(self, heads):
        """Takes most of what the heads hold; needs what they have in common. A join has changed nothing: where its parent is
        followed by another head, it adds nothing and is not read."""
        heads = self.telling(heads)
        if len(heads) > 1:
            common = None
            for h in heads:
                common = self.anc[h] if common is None else common & self.anc[h]
            top = {c for c in common if not any(c in self.anc[d] for d in common)}
            have = self.available()
            for c in self.telling(top):
                if any(x not in have for x in self.rec[c]['tree'].values()):
                    raise Lost(f'the common ancestor {c} of {sorted(heads)} is gone')
        rows = [row for h in sorted(heads) for row in self.rec[h]['tree'].items()]
        self.r.shuffle(rows)
        tree = {}
        for f, x in rows:
            if f not in tree and (len(heads) == 1 or self.r.random() < 0.9):
                tree[f] = x
        return tree

    def telling(self, heads):
        return {h for h in heads if self.rec[h]['kind'] != 'join'
                or not any(self.rec[h]['parents'] <= self.anc[o] | {o} for o in heads - {h})}

    def available(self):
        have = set()
        for p in self.named(self.rec):
            if p in self.packs:
                have |= self.packs[p]
        return have

    def check(self, what):
        have = self.available()
        view, _ = self.counting(set(self.rec))
        for i in view - self.forgotten:
            if self.rec[i]['kind'] == 'join':
                continue  # it names the tree of another record, and promises nothing
            for f, x in self.rec[i]['tree'].items():
                if x not in have:
                    raise Lost(f'{what}: record {i} ({self.rec[i]["kind"]}) file {f} chunk {x}')

    # Writing.

    def is_open(self, m, view, ended):
        own = m['own']
        return own and not self.rec[own]['closed'] and m['writer'] not in ended and own in view

    def found_out(self, m):
        """Whether somebody else has written as this writer, or ended it."""
        view, ended = self.counting(m['seen'])
        theirs = any(self.rec[i]['writer'] == m['writer'] and m['own'] not in self.anc[i] | {i} and i not in self.anc[m['own']]
                     or self.rec[i]['writer'] == m['writer'] and m['own'] in self.anc[i] for i in view) if m['own'] else False
        return theirs or not self.is_open(m, view, ended)

    def join(self, m):
        view, _ = self.counting(m['seen'])
        heads = self.heads(view)
        parent = {max(heads, key=lambda i: (len(self.anc[i]), i))} if heads else set()
        m['writer'], m['own'] = self.new(), None
        self.put(m, 'join', parent, self.rec[min(parent)]['tree'] if parent else {})
        self.joins += 1
        if self.without != 'join':
            self.listed(m, self.now - DELAY)

    def begin(self, m, process):
        if process in m['run']:
            return
        if m['own'] is None or self.found_out(m):
            if m['run'] and self.without != 'again':
                return  # first the others notice
            self.join(m)
        view, _ = self.counting(m['seen'])
        heads, epochs = self.heads(view), self.epochs(view)
        refused = self.epochs(self.closed(m['seen']))
        left, m['left'] = m['left'], []
        gone = self.condemned(refused) if self.without != 'resume' else set()
        m['run'][process] = dict(begun=epochs, seen=epochs, refused=refused, named=self.named(view, m['seen']), heads=heads, base=self.merged(heads), edits={},
                                 packs=[p for p in left if p not in gone], writer=m['writer'], ready=False)

    def find(self, s, x):
        refused = self.condemned(s['refused']) if self.without != 'refuse' else set()
        own = s['packs'] if self.without == 'resume' else [p for p in s['packs'] if p not in refused]
        return any(x in self.content[p] for p in own) or any(
            x in self.content[p] for p in s['named'] if p not in refused)

    def stage(self, s):
        f = self.r.randrange(self.files)
        if self.r.random() < 0.3:
            s['edits'][f] = None
            return
        x = self.r.randrange(self.chunks)
        s['edits'][f] = x
        if not self.find(s, x):
            s['packs'].append(self.pack({x, self.r.randrange(self.chunks)} if self.r.random() < 0.4 else {x}))

    def again(self, m, process):
        """Drops a session; what it has stored is taken over by the next."""
        m['left'] += m['run'].pop(process)['packs']

    def publish(self, m, process):
        s = m['run'][process]
        self.listed(m, self.now - self.r.choice([0, DELAY, 1000]))
        if self.found_out(m) or s['writer'] != m['writer']:
            if self.found_out(m):
                self.join(m)
            if self.without != 'again':
                return self.again(m, process)
            s['writer'] = m['writer']
        view, _ = self.counting(m['seen'])
        s['named'], s['heads'] = self.named(view, m['seen']), self.heads(view)
        s['refused'] = s['refused'] | self.epochs(self.closed(m['seen']))
        s['base'] = self.merged(s['heads'])
        fresh, s['seen'] = self.epochs(view) - s['seen'], self.epochs(view) | s['seen']
        if fresh and self.without != 'replace':
            for x in s['edits'].values():
                if x is not None and not self.find(s, x):
                    s['packs'].append(self.pack({x}))
        tree = s['base']
        for f, x in s['edits'].items():
            tree.pop(f, None) if x is None else tree.__setitem__(f, x)
        del m['run'][process]
        parents = s['heads']
        if self.without == 'ancestry' and self.r.random() < 0.5:
            parents = {h for h in parents if self.rec[h]['kind'] != 'epoch'} or parents
            parents = {p for h in parents for p in (self.rec[h]['parents'] if self.rec[h]['kind'] == 'epoch' else {h})} or parents
        self.put(m, 'commit', parents, tree, s['packs'], self.claims(m, s['seen']), closed=m['short'] and self.r.random() < 0.5)
        self.check('commit')

    def claims(self, m, seen):
        if self.without == 'parallel':
            return seen
        for other in m['run'].values():
            seen = seen & other['begun']
        return seen

    def acknowledge(self, m):
        view, ended = self.counting(m['seen'])
        if not self.is_open(m, view, ended) or self.found_out(m):
            return False
        heads = self.heads(view)
        self.put(m, 'commit', heads, self.merged(heads), seen=self.claims(m, self.epochs(view)))
        self.check('acknowledgement')
        return True

    # Collecting.

    def roots(self, view, forget):
        live = set()
        for i in view - forget:
            if self.rec[i]['kind'] != 'join' or self.heads(view) == {i}:
                live |= set(self.rec[i]['tree'].values())
        return live

    def mark(self, m):
        if m['own'] is None or not self.acknowledge(m):  # merges what is to be merged
            return
        view, _ = self.counting(m['seen'])
        if any(not self.rec[e].get('done') and self.rec[e]['writer'] == m['writer'] for e in self.epochs(view)):
            return
        heads = self.heads(view)
        keep = set(heads)
        if self.without != 'idle':
            newest = {}
            for i in view:
                w = self.rec[i]['writer']
                if w not in newest or self.rec[i]['seq'] > self.rec[newest[w]]['seq']:
                    newest[w] = i
            keep |= set(newest.values())
        forget = {i for i in view - keep if not self.keep.setdefault(i, self.r.random() < 0.35)}
        live, named = self.roots(view, forget), self.named(view, m['seen'])
        condemned, copies = set(), []
        for p in list(self.packs):
            if p not in named and self.r.random() < 0.5:
                continue  # an orphan that is too young
            needed = self.packs[p] & live if p in named else set()
            if not needed:
                condemned.add(p)
            elif self.r.random() < 0.2:
                condemned.add(p)
                copies.append(self.pack(needed))
        if not condemned:
            return
        self.put(m, 'epoch', heads, self.rec[m['own']]['tree'], copies, condemned=condemned, forget=forget)
        self.acknowledge(m)

    def satisfied(self, e, view, ended):
        if self.rec[e].get('done'):
            return True
        if self.without == 'claim':
            return True
        if self.without != 'wait' and self.now < self.rec[e]['at'] + 2 * DELAY:
            return False
        writers = {}
        for i in view:
            writers.setdefault(self.rec[i]['writer'], []).append(i)
        for w, records in writers.items():
            last = max(records, key=lambda i: self.rec[i]['seq'])
            if w not in ended and not self.rec[last]['closed'] and not any(e in self.rec[i]['seen'] for i in records):
                return False
        return True

    def complete(self, m):
        if m['own'] is None or self.found_out(m):
            return
        self.listed(m, self.now - DELAY)
        view, ended = self.counting(m['seen'])
        waiting = [e for e in self.epochs(view) if not self.rec[e].get('done') and self.satisfied(e, view, ended)]
        if not waiting:
            return
        if len(self.heads(view)) > 1 and self.without != 'single':
            if not self.acknowledge(m):
                return
            view, ended = self.counting(m['seen'])
        effect = {e for e in self.epochs(view) if self.without == 'effect' or self.satisfied(e, view, ended)}
        forget = set()
        for e in effect:
            forget |= self.rec[e]['forget']
        live, gone = self.roots(view, forget), self.condemned(self.epochs(self.closed(m['seen'])))
        named, copies = self.named(view, m['seen']), []
        doomed = self.condemned(waiting)
        if self.without != 'rescue':
            safe = set()
            for p in named - gone:
                safe |= self.packs.get(p, frozenset())
            have = set()
            for p in doomed & named:
                have |= self.packs.get(p, frozenset())
            copies = [self.pack({x}) for x in live & have - safe]
        self.forgotten |= forget
        heads = self.heads(view)
        self.put(m, 'done', heads, self.merged(heads), copies, self.claims(m, self.epochs(view)))
        for e in waiting:
            self.rec[e]['done'] = True
            self.completed += 1
        for p in doomed:
            if self.r.random() < 0.8:
                self.packs.pop(p, None)
            else:
                self.doomed.append((self.now + self.r.randrange(60), p))
        self.check('completion')

    def step(self):
        self.now += 1
        for when, p in [d for d in self.doomed if d[0] <= self.now]:
            self.packs.pop(p, None)
            self.doomed.remove((when, p))
            self.check('a late deletion')
        m, a = self.r.choice(self.m), self.r.random()
        process = self.r.randrange(2)
        if a < 0.20:
            for i in self.r.sample(sorted(self.rec), min(len(self.rec), self.r.choice([1, 1, 2, 5]))):
                m['seen'].add(i)
        elif a < 0.38:
            self.begin(m, process)
        elif a < 0.58 and process in m['run']:
            self.stage(m['run'][process])
        elif a < 0.76 and process in m['run']:
            self.publish(m, process)
        elif a < 0.79:
            if m['own'] and self.r.random() < 0.7:
                self.acknowledge(m)
        elif a < 0.88:
            self.mark(m)
        elif a < 0.97:
            self.complete(m)
        elif a < 0.98 and m['run']:
            self.again(m, self.r.choice(sorted(m['run'])))
        elif a < 0.988 and len(self.m) < 6:
            if self.r.random() < 0.8:
                self.m.append(self.machine())
            else:
                runs = {p: {k: (v.copy() if hasattr(v, 'copy') else v) for k, v in s.items()} for p, s in m['run'].items()}
                self.m.append({**m, 'seen': set(m['seen']), 'run': runs, 'left': list(m['left'])})
        elif a < 0.997:
            self.retire(m)

    def retire(self, m):
        view, ended = self.counting(m['seen'])
        if m['own'] is None or not self.is_open(m, view, ended) or self.found_out(m):
            return
        writers = sorted({self.rec[i]['writer'] for i in view} - {m['writer']} - set(ended))
        if not writers:
            return
        w = self.r.choice(writers)
        kept = max((i for i in view if self.rec[i]['writer'] == w), key=lambda i: self.rec[i]['seq'])
        heads = self.heads(view)
        self.put(m, 'commit', heads, self.merged(heads), seen=self.claims(m, self.epochs(view)), ends=(w, {kept}))
        self.check('retirement')

    def run(self):
        try:
            for _ in range(self.steps):
                self.step()
        except Alarm:
            return True
        return False


def main():
    args = sys.argv[1:] + ['ok', '1000', '3', '320', '0'][len(sys.argv) - 1:]
    if args[0] == 'list':
        for name, what in RULES.items():
            print(f'{name:10} {what}{" (not load-bearing)" if name in HARMLESS else ""}')
        return 0
    without, runs, machines, steps, first = (args[0] if args[0] != 'ok' else None), *map(int, args[1:5])
    if without and without not in RULES:
        sys.exit(f'no rule is called {without}: {", ".join(RULES)}')
    lost = alarms = completed = records = joins = 0
    for seed in range(first, first + runs):
        run = Run(seed, without, machines, steps)
        try:
            alarms += run.run()
        except Lost as error:
            lost += 1
            if lost <= 2:
                print(f'  seed {seed}: {error}')
        completed, records, joins = completed + run.completed, records + len(run.rec), joins + run.joins
    print(f'{args[0]}: {lost} of {runs} runs lost something ({completed} epochs completed, {records} records, '
          f'{joins} writers joined, {alarms} runs ended by an alarm)')
    return 1 if lost and not without else 0


if __name__ == '__main__':
    sys.exit(main())
