package maildir

// Folders with many messages.

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var sizes = []int{50000, 100000}

// populate makes n messages as a delivery agent would have.
func populate(b *testing.B, n int) string {
	b.Helper()
	root := filepath.Join(tempDir(b), "m")
	openStore(b, root)
	for i := range n {
		name := fmt.Sprintf("%d.M%06dP4242Q%d.mail.example.org,S=0,W=0", 1700000000+i/10, i%1000000, i)
		if err := os.WriteFile(filepath.Join(root, "cur", name+string(separator)+"2,"+[]string{"", "S", "RS"}[i%3]), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return root
}

func each(b *testing.B, run func(b *testing.B, root string, n int)) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			root := populate(b, n)
			run(b, root, n)
		})
	}
}

func mustFolder(b *testing.B, root string, mode Mode) (*Store, *Folder) {
	s, err := Open(root, quiet)
	if err != nil {
		b.Fatal(err)
	}
	f, err := s.Folder(context.Background(), Inbox, mode)
	if err != nil {
		b.Fatal(err)
	}
	return s, f
}

func BenchmarkRebuild(b *testing.B) {
	each(b, func(b *testing.B, root string, n int) {
		for b.Loop() {
			os.Remove(filepath.Join(root, indexFile))
			s, f := mustFolder(b, root, ReadOnly)
			f.Close()
			s.Close()
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	each(b, func(b *testing.B, root string, n int) {
		s, f := mustFolder(b, root, ReadOnly)
		f.Close()
		s.Close()
		for b.Loop() {
			s, f := mustFolder(b, root, ReadOnly)
			f.Close()
			s.Close()
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s, f = mustFolder(b, root, ReadOnly)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "resident-B/message")
		f.Close()
		s.Close()
	})
}

func withOpen(b *testing.B, run func(b *testing.B, s *Store, f *Folder)) {
	each(b, func(b *testing.B, root string, n int) {
		s, f := mustFolder(b, root, ReadOnly)
		defer s.Close()
		defer f.Close()
		run(b, s, f)
	})
}

func BenchmarkStatus(b *testing.B) {
	withOpen(b, func(b *testing.B, s *Store, f *Folder) {
		for b.Loop() {
			if _, err := f.Status(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMessages(b *testing.B) {
	withOpen(b, func(b *testing.B, s *Store, f *Folder) {
		for b.Loop() {
			for _, err := range f.Messages(context.Background(), All) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkScan(b *testing.B) {
	withOpen(b, func(b *testing.B, s *Store, f *Folder) {
		for b.Loop() {
			if err := f.Refresh(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	withOpen(b, func(b *testing.B, s *Store, f *Folder) {
		for b.Loop() {
			if _, err := f.Append(context.Background(), strings.NewReader("x\r\n"), &AppendOptions{Flags: Seen}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDeliver(b *testing.B) {
	withOpen(b, func(b *testing.B, s *Store, f *Folder) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := s.Deliver(context.Background(), strings.NewReader("x\r\n")); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkStoreOne changes a flag of one message and looks what changed.
func BenchmarkStoreOne(b *testing.B) {
	withOpen(b, func(b *testing.B, s *Store, f *Folder) {
		ctx := context.Background()
		st, err := f.Status(ctx)
		if err != nil {
			b.Fatal(err)
		}
		since := st.HighestModSeq
		for i := 0; b.Loop(); i++ {
			uid := uint32(1 + i*7919%40000)
			if _, err := f.Store(ctx, []Range{{uid, uid}}, FlagChange{Op: StoreOp(i / 40000 % 2), Flags: Draft}); err != nil {
				b.Fatal(err)
			}
			for c, err := range f.Changes(ctx, since) {
				if err != nil {
					b.Fatal(err)
				}
				since = max(since, c.ModSeq)
			}
		}
	})
}

// BenchmarkClaim is the first SELECT of a folder with everything in new.
func BenchmarkClaim(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				root := populate(b, 0)
				for i := range n {
					if err := os.WriteFile(filepath.Join(root, "new", fmt.Sprintf("%d.M%06dP4242Q%d.mail.example.org,S=0,W=0", 1700000000+i/10, i%1000000, i)), nil, 0o600); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
				s, f := mustFolder(b, root, ReadWrite)
				b.StopTimer()
				f.Close()
				s.Close()
				os.RemoveAll(root)
				b.StartTimer()
			}
		})
	}
}
