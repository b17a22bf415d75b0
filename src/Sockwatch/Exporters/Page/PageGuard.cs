using System.Net;
using Microsoft.AspNetCore.Http;

namespace Sockwatch.Exporters.Page;

/// <summary>
/// Keeps the page to those it is for. The headers let a browser load nothing but the page's own files, run no script but those,
/// and show it in no frame. On a loopback listener the name it is called by is checked as well: a site whose own name is made to
/// lead to 127.0.0.1 could otherwise read addresses and pids through the browser of somebody on this machine.
/// </summary>
internal sealed class PageGuard
{
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
        + "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

    private readonly bool _isLocal;

    public PageGuard(HttpOptions options)
    {
        _isLocal = ListenAddress.TryParse(options.Listen, out var listen) && listen.Address is { } address && IPAddress.IsLoopback(address);
    }

    public static void Protect(IHeaderDictionary headers)
    {
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";
    }

    /// <summary>Whether the listener goes by this name. Addresses cannot be made to lead elsewhere, so they are always right.</summary>
    public bool Allows(HostString host)
    {
        var name = host.Host.Trim('[', ']');
        return !_isLocal
            || IPAddress.TryParse(name, out _)
            || name.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || name.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
            || name.Equals(Environment.MachineName, StringComparison.OrdinalIgnoreCase);
    }
}
