// Package docs tests the documentation: each command in it is run on a cluster, and what it prints is compared with what is
// shown; or there is a reason why not.
//
// Commands are in fenced blocks: sh, with nothing but commands, and console, with "$ " before them and what they print below. A
// line "..." stands for any lines. An indented block is sh, too, unless it is YAML or prose. A comment before a block says on
// which of the scenes of this package it plays:
//
//	<!-- scene: empty -->
//
// Without one it is "demo", the cluster of make demo-up.
package docs
