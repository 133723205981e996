// Package monitoring holds what shows mediatord's metrics: Prometheus alert rules
// and a Grafana dashboard. It has tests and no code.
package monitoring
