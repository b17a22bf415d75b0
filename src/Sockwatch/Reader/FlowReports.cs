using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Sockwatch.Bpf;
using Sockwatch.Kernel;

namespace Sockwatch.Reader;

/// <summary>Asks the kernel for a record of every open flow, by an iterator that prints them. Any thread may call it.</summary>
internal sealed class FlowReports(KernelPrograms programs) : IDisposable
{
    private readonly BpfIterator? _report = programs.AttachReport();

    // The kernel hands its output over in pieces that may end inside a record.
    private readonly byte[] _partial = new byte[Unsafe.SizeOf<FlowRecord>()];
    private int _partialLength;

    private readonly Lock _lock = new();
    private readonly GlobalVariable<byte> _onlyLook = programs.Object.GlobalVariable<byte>("only_look");

    /// <summary>For the record: the next one says what is new since.</summary>
    public void Read(IFlowRecordSink sink) => Run(sink, onlyLook: false);

    /// <summary>For somebody who is curious: no record to come is different for it.</summary>
    public void Look(IFlowRecordSink sink) => Run(sink, onlyLook: true);

    public void Dispose() => _report?.Dispose();

    // One at a time: the kernel side has one place to make a record in.
    private void Run(IFlowRecordSink sink, bool onlyLook)
    {
        lock (_lock)
        {
            _partialLength = 0;
            _onlyLook.Value = onlyLook ? (byte)1 : (byte)0;
            _report?.Run(output => OnOutput(output, sink));
        }
    }

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
