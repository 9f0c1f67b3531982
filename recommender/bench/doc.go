// Package bench measures the recommender beside upstream's, in one run, with the same inputs. It holds tests only:
// TestReport is the program, and does nothing unless it is asked to.
package bench
