// Package policy decides what a pod's containers may ask for, so that the webhook that patches pods and the recommender
// that explains them say the same. Of one resource after the other, and for each container, it takes:
//
//	a recommendation (RulesOf; compiled when the VPA changes, with all that can be known without a pod)
//	-> the container's policy: minAllowed, then maxAllowed, which wins
//	-> the declared floor, where it is asked for; the boost at the start; whole CPUs where they were whole
//	-> the limit policy: a multiple of the request, the declared ratio, or the limit that is there
//	-> the policy's caps for limits
//	-> the LimitRanges for containers, and no limit above the pod's own (job.settle)
//	-> the LimitRanges for pods, and the pod's own requests (planner.fit): limits give way, then requests
//	-> a last look, whether the result is legal (job.verify); what is not is left as it was declared
//	-> where the pod was patched before, and is not legal with what came since, what it declared (planner.putBack)
//
// What a pod declared is what the webhook saw first (Pod.Recall), so that deciding again for a patched pod changes
// nothing. Each step leaves a Step; words are made of it only when somebody asks.
//
// Everything here is a function of its arguments: no client, no clock, no logger. Quantities are compared and computed
// exactly, in whole milli-CPU and whole bytes; those that no machine has are told apart and never computed with.
package policy
