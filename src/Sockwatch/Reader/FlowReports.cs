using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Asks the kernel for a record of every open flow, by an iterator that prints them.</summary>
internal sealed class FlowReports(KernelPrograms programs) : IDisposable
{
    private readonly BpfIterator _report = programs.Object.AttachIterator("sw_report", "socket_states");

    // The kernel hands its output over in pieces that may end inside a record.
    private readonly byte[] _partial = new byte[Unsafe.SizeOf<FlowRecord>()];
    private int _partialLength;

    public void Read(IFlowRecordSink sink)
    {
        _partialLength = 0;
        _report.Run(output => OnOutput(output, sink));
    }

    public void Dispose() => _report.Dispose();

    private void OnOutput(ReadOnlySpan<byte> output, IFlowRecordSink sink)
    {
        while (output.Length > 0)
        {
            if (_partialLength == 0 && output.Length >= _partial.Length)
            {
                sink.OnRecord(MemoryMarshal.AsRef<FlowRecord>(output));
                output = output[_partial.Length..];
                continue;
            }

            var taken = Math.Min(_partial.Length - _partialLength, output.Length);
            output[..taken].CopyTo(_partial.AsSpan(_partialLength));
            output = output[taken..];
            _partialLength += taken;
            if (_partialLength == _partial.Length)
            {
                _partialLength = 0;
                sink.OnRecord(MemoryMarshal.AsRef<FlowRecord>(_partial));
            }
        }
    }
}
