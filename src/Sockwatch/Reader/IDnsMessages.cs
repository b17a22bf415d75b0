using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Takes DNS messages as they are drained, in the order in which they were sent and received.</summary>
internal interface IDnsMessageSink
{
    void OnMessage(in DnsMessage message);
}

/// <summary>The DNS messages that wait in the kernel's ring. For one thread at a time.</summary>
internal interface IDnsMessages
{
    void Drain(IDnsMessageSink sink);
}
