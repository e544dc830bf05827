package main

// The journal fails at each of its writes, and the program goes on with what
// is on the disk. Nobody is lost, and nobody is sent a message twice.

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

const crashPeople = 8

// crashAnswers are mixed verdicts: some need a second attempt.
func crashAnswers(f *fake) func(server, to string) error {
	seen := map[string]int{}
	return func(_, to string) error {
		seen[to]++
		switch {
		case to == person(2) && seen[to] == 1:
			return errTemporary
		case to == person(4):
			return errPermanent
		case to == person(6) && seen[to] == 1:
			return errNetwork
		}
		return nil
	}
}

func TestCrashAtEveryWrite(t *testing.T) {
	for _, connections := range []int{1, 3} {
		for how := range breakages {
			t.Run(fmt.Sprintf("%d connections, breakage %d", connections, how), func(t *testing.T) {
				for n := 0; ; n++ {
					crashed := false
					synctest.Test(t, func(t *testing.T) { crashed = crashAt(t, connections, how, n, n%3+1) })
					if !crashed {
						require.Greater(t, n, crashPeople/connections)
						return
					}
				}
			})
		}
	}
}

// crashAt breaks the journal at its n-th write, and once more at the
// again-th after that. It reports whether there were so many.
func crashAt(t *testing.T, connections int, how breakage, n, again int) bool {
	d := newDesk(t)
	d.config("", fmt.Sprintf("a:1\nconnections = %d", connections))
	f := &fake{}
	taken := map[string]int{}
	f.answer = crashAnswers(f)
	f.took = func(_, to string) { taken[to]++ }

	crashes := 0
	for _, left := range []int{n, again} {
		e := d.begin(crashPeople, f)
		j := e.campaigns[0].journal
		j.f = &brokenFile{journalFile: j.f, left: left, how: how}
		err := e.run(t)
		if err == nil {
			break
		}
		require.ErrorIs(t, err, errBroken)
		crashes++
	}

	e := d.begin(0, f)
	require.NoError(t, e.run(t))
	require.LessOrEqual(t, e.counts[doubtful], connections*crashes, "only what was in flight is in doubt")
	require.Zero(t, e.counts.left())
	for i := range crashPeople {
		r := e.state(i)
		require.LessOrEqual(t, taken[person(i)], 1, "write %d: %s got it twice", n, person(i))
		switch r.state {
		case sent:
			require.Equal(t, 1, taken[person(i)], "write %d: %s is lost", n, person(i))
		case failed:
			require.Equal(t, 4, i)
		case doubtful:
		default:
			t.Fatalf("%s is %s", person(i), r.state)
		}
	}

	// On request those in doubt are sent again, and nobody else is.
	inDoubt := map[string]bool{}
	e = d.begin(0, f)
	for _, r := range e.campaigns[0].list.recipients {
		inDoubt[r.key] = r.state == doubtful
	}
	require.NoError(t, e.campaigns[0].requeue([]status{doubtful}))
	e.counts, e.fresh, e.later = counts{}, nil, nil
	require.NoError(t, e.prepare())
	require.NoError(t, e.run(t))
	for i := range crashPeople {
		p := person(i)
		switch {
		case i == 4:
			require.Zero(t, taken[p])
		case inDoubt[p]:
			require.Contains(t, []int{1, 2}, taken[p])
		default:
			require.Equal(t, 1, taken[p], "write %d: %s", n, p)
		}
	}
	return crashes > 0
}
