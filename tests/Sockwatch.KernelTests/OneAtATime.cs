// Programs attach to the whole machine, and run-time stats are one switch: tests side by side would see each other.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
