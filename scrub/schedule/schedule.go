// Package schedule holds what runs bitmend every night: units for systemd and a
// line for cron. There is no code in it but the test that looks at them.
package schedule
