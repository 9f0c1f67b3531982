// Package bench measures the recommender beside upstream's, in one run, with the same inputs. It holds tests only:
// TestReport is the program; it does nothing unless it is asked to. With -only it measures the experiments of some names only.
package bench
