using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;

namespace Sockwatch.Exporters.Page;

/// <summary>
/// HTML in the making. The literal parts of an interpolated string are written as they stand and everything in braces is encoded,
/// so that no value can become markup, whoever chose it.
/// </summary>
internal sealed class Html
{
    private readonly StringBuilder _text = new(16 * 1024);

    /// <summary>The text has been written by its handler, piece by piece, when this is called.</summary>
    [SuppressMessage("Performance", "CA1822:Mark members as static", Justification = "The handler is made from this instance.")]
    public void Add([InterpolatedStringHandlerArgument("")] Encoded text) => _ = text;

    public override string ToString() => _text.ToString();

    [InterpolatedStringHandler]
    public readonly ref struct Encoded
    {
        private readonly StringBuilder _text;

        public Encoded(int literalLength, int formattedCount, Html html)
        {
            _ = (literalLength, formattedCount); // The language asks for them; the text grows as it needs to.
            _text = html._text;
        }

        public void AppendLiteral(string markup) => _text.Append(markup);

        public void AppendFormatted(string? value) => _text.Append(HtmlEncoder.Default.Encode(value ?? ""));

        public void AppendFormatted(long value) => _text.Append(CultureInfo.InvariantCulture, $"{value}");
    }
}
