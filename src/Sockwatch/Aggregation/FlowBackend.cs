using Sockwatch.Kernel;

namespace Sockwatch.Aggregation;

/// <summary>Who really answers a flow whose peer is a service.</summary>
/// <param name="Namespace">As with <paramref name="Kind"/> and <paramref name="Name"/>: of the workload that has the address; empty when nobody is known to.</param>
internal sealed record FlowBackend(Address16 Address, ushort Port, string Namespace, string Kind, string Name);
