// Package cloudstack holds agent hooks of CloudStack. It has tests and no code.
package cloudstack
