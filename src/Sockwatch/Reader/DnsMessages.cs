using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Drains the ring of DNS messages when somebody needs a name, and now and then.</summary>
internal sealed class DnsMessages(KernelPrograms programs) : IDnsMessages, IRecordConsumer, IDisposable
{
    private readonly RingBuffer _ring = programs.Object.RingBuffer("dns_messages");
    private IDnsMessageSink? _sink;

    public void Drain(IDnsMessageSink sink)
    {
        _sink = sink;
        _ring.Drain(this);
    }

    public void OnRecord(ReadOnlySpan<byte> record)
    {
        DnsMessage.Read(record, out var message);
        _sink!.OnMessage(message);
    }

    public void Dispose() => _ring.Dispose();
}
