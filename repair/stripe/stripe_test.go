package stripe_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"bitmend/hashsets/catalog"
	"bitmend/repair/parity"
	"bitmend/repair/protect"
	"bitmend/repair/stripe"
	"bitmend/scrub/finding"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
	"bitmend/scrub/vault"
)

type silent struct{}

func (silent) Finding(finding.Finding)  {}
func (silent) Repair(report.Repair)     {}
func (silent) Gate(report.Gate)         {}
func (silent) Progress(report.Progress) {}
func (silent) Note(string, ...any)      {}
func (silent) Summary(report.Summary)   {}

const shardSize = 4 << 10

// A corpus is a tree of files of one size, protected with k+m columns.
type corpus struct {
	testing.TB
	tree  string
	vault *vault.Vault
	files map[string][]byte
	names []string
}

func newCorpus(t testing.TB, k, m, files, size int) *corpus {
	t.Helper()
	ctx := context.Background()
	top := t.TempDir()
	c := &corpus{TB: t, tree: filepath.Join(top, "tree"), files: map[string][]byte{}}
	if err := os.Mkdir(c.tree, 0o755); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(uint64(files), uint64(size)))
	for i := range files {
		p := make([]byte, size)
		for j := range p {
			p[j] = byte(r.Uint32())
		}
		name := fmt.Sprintf("f%03d", i)
		c.files[name] = p
		c.names = append(c.names, name)
		c.write(name, p)
	}
	config := vault.DefaultConfig(vault.StoreConfig{Name: "primary", URL: c.tree, Role: vault.Primary})
	config.Data, config.Parity, config.Overhead, config.ShardSize = k, m, float64(m)/float64(k), shardSize
	dir := filepath.Join(top, "vault")
	if err := vault.Init(ctx, dir, config); err != nil {
		t.Fatal(err)
	}
	var err error
	if c.vault, err = vault.Open(ctx, dir, "test"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.vault.Close() })
	if _, err := protect.Run(ctx, c.vault, protect.Options{}, silent{}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *corpus) write(name string, p []byte) {
	c.Helper()
	if err := os.WriteFile(filepath.Join(c.tree, name), p, 0o644); err != nil {
		c.Fatal(err)
	}
}

// damage flips a byte in a shard of a file.
func (c *corpus) damage(name string, shard int) {
	c.Helper()
	f, err := os.OpenFile(filepath.Join(c.tree, name), os.O_RDWR, 0)
	if err != nil {
		c.Fatal(err)
	}
	defer f.Close()
	b := []byte{0}
	if _, err := f.ReadAt(b, int64(shard)*shardSize+7); err != nil {
		c.Fatal(err)
	}
	b[0] ^= 0x80
	if _, err := f.WriteAt(b, int64(shard)*shardSize+7); err != nil {
		c.Fatal(err)
	}
}

func (c *corpus) gatherer(replicas ...store.Store) *stripe.Gatherer {
	c.Helper()
	s, err := c.vault.Store("primary")
	if err != nil {
		c.Fatal(err)
	}
	home, err := c.vault.ParityHome()
	if err != nil {
		c.Fatal(err)
	}
	return &stripe.Gatherer{Catalog: c.vault.Catalog, Home: home, Stores: append([]store.Store{s}, replicas...)}
}

// rebuild rebuilds shards and holds what is delivered to what it was.
func (c *corpus) rebuild(g *stripe.Gatherer, wants ...stripe.Want) (good int, losses []error) {
	c.Helper()
	err := g.Rebuild(context.Background(), wants, func(w stripe.Want, p []byte) error {
		all := c.files[w.Name]
		from := w.Shard * shardSize
		if string(all[from:min(from+shardSize, len(all))]) != string(p) {
			return fmt.Errorf("shard %d of %q is wrong", w.Shard, w.Name)
		}
		good++
		return nil
	}, func(_ stripe.Want, why error) error {
		losses = append(losses, why)
		return nil
	})
	if err != nil {
		c.Fatal(err)
	}
	if good+len(losses) != len(wants) {
		c.Fatalf("%d of %d wants were answered", good+len(losses), len(wants))
	}
	return good, losses
}

// allOf wants every shard of a file.
func (c *corpus) allOf(name string) (wants []stripe.Want) {
	for i := range (len(c.files[name]) + shardSize - 1) / shardSize {
		wants = append(wants, stripe.Want{Name: name, Generation: 1, Shard: i})
	}
	return wants
}

// A stripe bears m bad shards, and not one more; the loss says how many there
// are.
func TestStripeBearsParity(t *testing.T) {
	const m = 3
	c := newCorpus(t, 6, m, 6, 10*shardSize)
	g := c.gatherer()
	var wants []stripe.Want
	for bad := 1; bad <= m+1; bad++ {
		name := c.names[bad-1]
		c.damage(name, 4)
		wants = append(wants, stripe.Want{Name: name, Generation: 1, Shard: 4})
		good, losses := c.rebuild(g, wants...)
		if bad <= m {
			if good != bad {
				t.Errorf("%d bad shards, parity bears %d: %d were rebuilt, %v", bad, m, good, losses)
			}
			continue
		}
		if len(losses) != bad {
			t.Fatalf("%d bad shards, parity bears %d: losses %v", bad, m, losses)
		}
		for _, why := range losses {
			var l *stripe.Loss
			if !errors.As(why, &l) || l.Bad != m+1 || l.Bears != m || l.Stripe != 4 || l.Set != 1 || l.Range.Length != shardSize {
				t.Errorf("loss %+v", why)
			}
		}
		if good, _ := c.rebuild(g, c.allOf(name)[0]); good != 1 {
			t.Error("another stripe is lost too")
		}
	}
}

// Damaged neighbours that nobody asked for count as erased, and damaged parity
// shards are left out.
func TestStripeLeavesOutWhatFailsItsSum(t *testing.T) {
	c := newCorpus(t, 6, 3, 6, 10*shardSize)
	c.damage(c.names[1], 4)
	if err := os.Remove(filepath.Join(c.tree, c.names[2])); err != nil {
		t.Fatal(err)
	}
	g := c.gatherer()
	if good, losses := c.rebuild(g, c.allOf(c.names[0])...); good != 10 {
		t.Errorf("with two bad neighbours: %v", losses)
	}
	path := filepath.Join(c.vault.Dir, "parity", filepath.FromSlash(parity.FileName(parity.BandID{Set: 1, Version: 1}, 1)))
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p[:len(p)/2] {
		p[len(p)/4+i] ^= 1
	}
	if err := os.WriteFile(path, p, 0o600); err != nil {
		t.Fatal(err)
	}
	good, losses := c.rebuild(g, c.allOf(c.names[0])...)
	if good == 10 || good == 0 || len(losses) == 0 {
		t.Errorf("with two bad neighbours and a damaged parity file %d are rebuilt, %v", good, losses)
	}
}

// A replica that has a neighbour's bytes is as good as the primary store.
func TestStripeReadsReplicas(t *testing.T) {
	c := newCorpus(t, 6, 1, 6, 10*shardSize)
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(c.tree)); err != nil {
		t.Fatal(err)
	}
	for _, name := range c.names[:4] {
		c.damage(name, 4)
	}
	want := stripe.Want{Name: c.names[0], Generation: 1, Shard: 4}
	if good, losses := c.rebuild(c.gatherer(), want); good != 0 {
		t.Errorf("rebuilt from too little: %v", losses)
	}
	replica, err := store.OpenDirectory("replica", copied)
	if err != nil {
		t.Fatal(err)
	}
	if good, losses := c.rebuild(c.gatherer(replica), want); good != 1 {
		t.Errorf("with a replica: %v", losses)
	}
}

// What was never laid out in a set is lost with that reason.
func TestNoParity(t *testing.T) {
	c := newCorpus(t, 4, 1, 2, 3*shardSize)
	_, losses := c.rebuild(c.gatherer(), stripe.Want{Name: "never", Generation: 1}, stripe.Want{Name: c.names[0], Generation: 1, Shard: 99})
	if len(losses) != 2 || !errors.Is(losses[0], stripe.ErrNoParity) || !errors.Is(losses[1], stripe.ErrNoParity) {
		t.Errorf("losses %v", losses)
	}
}

// Fill gives the data shards as they were, whatever is damaged.
func TestFill(t *testing.T) {
	c := newCorpus(t, 4, 2, 4, 10*shardSize)
	c.damage(c.names[0], 3)
	c.damage(c.names[1], 3)
	ctx := context.Background()
	var band catalog.Band
	for b, err := range c.vault.Catalog.Bands(ctx, 1) {
		if err != nil {
			t.Fatal(err)
		}
		band = b
	}
	s := parity.NewStripe(parity.Geometry{Data: 4, Parity: 2, ShardSize: shardSize, ColumnSize: 1 << 30})
	if err := c.gatherer().Fill(ctx, band, 3, s, false); err != nil {
		t.Fatal(err)
	}
	for i, name := range c.names {
		if string(s.Shards[i]) != string(c.files[name][3*shardSize:4*shardSize]) {
			t.Errorf("the shard of %q is wrong", name)
		}
	}
	c.damage(c.names[2], 3)
	var l *stripe.Loss
	if err := c.gatherer().Fill(ctx, band, 3, s, false); !errors.As(err, &l) || l.Bad != 3 || l.Bears != 2 {
		t.Errorf("three bad shards where parity bears two: %v", err)
	}
}

// An error of the caller's ends the run.
func TestRebuildEndsWithTheCallersError(t *testing.T) {
	c := newCorpus(t, 4, 1, 4, 30*shardSize)
	stop := errors.New("stop")
	err := c.gatherer().Rebuild(context.Background(), c.allOf(c.names[0]), func(w stripe.Want, p []byte) error {
		if w.Shard == 2 {
			return stop
		}
		return nil
	}, func(stripe.Want, error) error { return nil })
	if !errors.Is(err, stop) {
		t.Errorf("gave %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = c.gatherer().Rebuild(ctx, c.allOf(c.names[0]), func(stripe.Want, []byte) error { cancel(); return nil }, func(stripe.Want, error) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled, it gave %v", err)
	}
}

// BenchmarkRebuild rebuilds a lost file from its stripes, in MB/s of what the
// stripes have.
func BenchmarkRebuild(b *testing.B) {
	c := newCorpus(b, 10, 1, 10, 16<<20)
	name := c.names[3]
	if err := os.Remove(filepath.Join(c.tree, name)); err != nil {
		b.Fatal(err)
	}
	wants := c.allOf(name)
	g := c.gatherer()
	b.SetBytes(10 * 16 << 20)
	for b.Loop() {
		if good, losses := c.rebuild(g, wants...); good != len(wants) {
			b.Fatal(losses)
		}
	}
}
