// Package monitoring tests what deploy/monitoring says of both programs: alerts by promtool, and scrapes, rules and
// dashboards by a real Prometheus that watches the real programs.
package monitoring
