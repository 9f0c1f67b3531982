package shards

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// Of returns the shard, 0 to count-1, of the VPA whose primary has the key, namespace/name. It is the same in
// every release. A count below 2 has one shard.
func Of(key string, count int) int {
	if count < 2 {
		return 0
	}
	return int(hash(key) % uint64(count))
}

// hash is made from SHA-256: of simpler ones some have a constant lowest bit where namespace and name are the same.
func hash(s string) uint64 {
	sum := sha256.Sum256([]byte(s))
	return binary.BigEndian.Uint64(sum[:])
}

// liking is how much the replica is to be preferred for the shard (rendezvous hashing): shards without a holder fall to the same
// replica whoever computes it, and those of a replica that is gone to different ones.
func liking(replica string, shard int) uint64 {
	return hash(strconv.Itoa(shard) + " " + replica)
}
