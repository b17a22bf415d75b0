using Sockwatch.Aggregation;
using Sockwatch.Exporters;
using Sockwatch.Exporters.Trace;
using Sockwatch.Kernel;
using Sockwatch.Reader;
using Sockwatch.Tests.Exporters;
using Sockwatch.Tests.Fakes;

namespace Sockwatch.Tests;

internal static partial class Some
{
    public static TraceSource TraceSource(
        IKernelSwitches? kernel = null, IFlowNaming? naming = null, IProcessLineage? lineage = null, IKernelTotals? totals = null) =>
        new(naming ?? new FakeNaming(), lineage ?? new FakeLineage(), kernel ?? new FakeSwitches(), totals ?? new FakeKernelTotals(),
            new BootClock(), new FlowLogIdentity(new HostPaths()));
}
