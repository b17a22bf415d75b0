namespace Sockwatch.Kernel;

/// <summary>Mirrors <c>enum network_direction</c>: an index of <see cref="ObservedBytes.Bytes"/>.</summary>
internal enum NetworkDirection : byte
{
    Transmit = 0,
    Receive = 1,
}
