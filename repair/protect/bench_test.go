package protect_test

import (
	"context"
	"fmt"
	"testing"

	"bitmend/repair/protect"
	"bitmend/scrub/vault"
)

// BenchmarkProtect protects new trees, without parity and with 10 % of it.
func BenchmarkProtect(b *testing.B) {
	for _, tree := range []struct {
		name        string
		files, size int
	}{
		{"8 files of 32 MiB", 8, 32 << 20},
		{"2000 files of 100 KiB", 2000, 100 << 10},
		{"10000 files of 4 KiB", 10000, 4 << 10},
	} {
		for _, overhead := range []float64{0, 0.1} {
			b.Run(fmt.Sprintf("%s/parity %v", tree.name, overhead), func(b *testing.B) {
				w := newWorld(b, func(c *vault.Config) { c.Overhead, c.ShardSize = overhead, 64<<10 })
				r := random(1)
				one := content(r, tree.size)
				for i := range tree.files {
					one[r.IntN(len(one))]++
					w.write(fmt.Sprintf("%02d/%d", i%50, i), one)
				}
				b.SetBytes(int64(tree.files * tree.size))
				for b.Loop() {
					b.StopTimer()
					dir := b.TempDir() + "/vault"
					if err := vault.Init(context.Background(), dir, w.config); err != nil {
						b.Fatal(err)
					}
					w.dir = dir
					v := w.open()
					b.StartTimer()
					if _, err := protect.Run(context.Background(), v, protect.Options{}, w.said); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					if err := v.Close(); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			})
		}
	}
}
