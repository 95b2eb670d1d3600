"""Fictitious samples: test BICs (8th character 0), invented names."""

from __future__ import annotations

MT700_FIELDS = """:27:1/1
:40A:IRREVOCABLE
:20:IMP-2026-0017
:31C:260302
:40E:UCP LATEST VERSION
:31D:260430HONG KONG
:50:KWUN LOTUS TRADING LTD
12 EXAMPLE ROAD
KOWLOON
:59:/0012345678
NANSHAN FICTIVE LAMPS CO
SHENZHEN
:32B:USD125000,50
:39A:05/05
:41A:NANSCNS0XXX
BY NEGOTIATION
:43P:ALLOWED
:43T:NOT ALLOWED
:44E:YANTIAN
:44F:HONG KONG
:44C:260410
:45A:+1,200 DESK LAMPS, MODEL L7 CIF HONG KONG
:46A:+SIGNED COMMERCIAL INVOICE IN TRIPLICATE
+FULL SET OF CLEAN ON BOARD BILLS OF LADING
+PACKING LIST IN DUPLICATE
:47A:+DOCUMENTS IN ENGLISH
:71D:ALL CHARGES OUTSIDE HONG KONG
FOR BENEFICIARY
:48:15
:49:WITHOUT
"""

MT707_FIELDS = """:27:1/1
:20:IMP-2026-0017
:21:NONREF
:23:IMP-2026-0017
:52A:LOTUHKH0
:31C:260302
:26E:001
:30:260310
:22A:ISSU
:31D:260515HONG KONG
:32B:USD5000,
:46B:/ADD/+CERTIFICATE OF ORIGIN
"""

MT734_FIELDS = """:20:IMP-2026-0017
:21:EXP/77
:32A:260320USD100000,
:77J:1. LATE SHIPMENT
2. INVOICE NOT SIGNED
:77B:HOLD
"""


def mt(message_type: str, fields: str, *, sender: str = "LOTUHKH0", receiver: str = "NANSCNS0") -> str:
    """A whole input message with CRLF line ends."""
    text = f"{{1:F01{sender}AXXX0000000000}}{{2:I{message_type}{receiver}XXXXN}}{{4:\n{fields}-}}"
    return text.replace("\n", "\r\n")


UBL_TEMPLATE = """<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
 xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
 xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
 <cbc:UBLVersionID>2.1</cbc:UBLVersionID>
 <cbc:ID>{number}</cbc:ID>
 <cbc:IssueDate>2026-03-02</cbc:IssueDate>
 {due}
 <cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>
 <cbc:DocumentCurrencyCode>{currency}</cbc:DocumentCurrencyCode>
 <cac:OrderReference><cbc:ID>PO-0088</cbc:ID></cac:OrderReference>
 <cac:AccountingSupplierParty><cac:Party>
  <cac:PartyTaxScheme><cbc:CompanyID>CN00000000FICT</cbc:CompanyID></cac:PartyTaxScheme>
  <cac:PartyLegalEntity><cbc:RegistrationName>Nanshan Fictive Lamps Co</cbc:RegistrationName>
   <cbc:CompanyID>91-0000-FICT</cbc:CompanyID></cac:PartyLegalEntity>
 </cac:Party></cac:AccountingSupplierParty>
 <cac:AccountingCustomerParty><cac:Party>
  <cac:PartyLegalEntity><cbc:RegistrationName>Kwun Lotus Trading Ltd</cbc:RegistrationName></cac:PartyLegalEntity>
 </cac:Party></cac:AccountingCustomerParty>
 {means}
 <cac:LegalMonetaryTotal>
  <cbc:TaxInclusiveAmount currencyID="{currency}">99999</cbc:TaxInclusiveAmount>
  <cbc:PayableAmount currencyID="{currency}">{amount}</cbc:PayableAmount>
 </cac:LegalMonetaryTotal>
</Invoice>"""


def ubl(
    *,
    number: str = "INV-0042",
    amount: str = "88000.50",
    currency: str = "USD",
    due: str = "<cbc:DueDate>2026-06-01</cbc:DueDate>",
    means: str = "",
) -> bytes:
    """A small UBL invoice."""
    return UBL_TEMPLATE.format(number=number, amount=amount, currency=currency, due=due, means=means).encode()


CII_TEMPLATE = """<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
 xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
 xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
 <rsm:ExchangedDocument><ram:ID>inv 42</ram:ID><ram:TypeCode>380</ram:TypeCode>
  <ram:IssueDateTime><udt:DateTimeString format="102">20260302</udt:DateTimeString></ram:IssueDateTime>
 </rsm:ExchangedDocument>
 <rsm:SupplyChainTradeTransaction>
  <ram:ApplicableHeaderTradeAgreement>
   <ram:SellerTradeParty><ram:Name>NANSHAN FICTIVE LAMPS</ram:Name>
    <ram:SpecifiedLegalOrganization><ram:ID>910000FICT</ram:ID></ram:SpecifiedLegalOrganization>
   </ram:SellerTradeParty>
   <ram:BuyerTradeParty><ram:Name>Kwun Lotus Trading, Ltd.</ram:Name></ram:BuyerTradeParty>
   <ram:BuyerOrderReferencedDocument><ram:IssuerAssignedID>PO-88</ram:IssuerAssignedID></ram:BuyerOrderReferencedDocument>
  </ram:ApplicableHeaderTradeAgreement>
  <ram:ApplicableHeaderTradeSettlement>
   <ram:InvoiceCurrencyCode>USD</ram:InvoiceCurrencyCode>
   <ram:SpecifiedTradePaymentTerms><ram:DueDateDateTime>
    <udt:DateTimeString format="102">20260601</udt:DateTimeString></ram:DueDateDateTime>
   </ram:SpecifiedTradePaymentTerms>
   <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    <ram:DuePayableAmount>88000.5</ram:DuePayableAmount>
   </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
  </ram:ApplicableHeaderTradeSettlement>
 </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>"""


OTHER_MESSAGES = {
    "730": ":20:EXP/77\n:21:IMP-2026-0017\n:30:260305\n:32D:260305USD20,\n:71D:ADVISING COMMISSION\n",
    "732": ":20:IMP-2026-0017\n:21:EXP/77\n:30:260323\n:32B:USD100000,\n",
    "750": ":20:EXP/77\n:21:IMP-2026-0017\n:32B:USD100000,\n:34B:USD100000,\n:77J:1. LATE SHIPMENT\n",
    "752": ":20:IMP-2026-0017\n:21:EXP/77\n:23:NEGOTIATE\n:30:260323\n:33A:260325USD100000,\n",
    "754": ":20:EXP/77\n:21:IMP-2026-0017\n:32A:260320USD100000,\n:57A:NANSCNS0\n:77:DOCUMENTS SENT\n",
    "756": ":20:IMP-2026-0017\n:21:EXP/77\n:32B:USD100000,\n:33A:260325USD100000,\n",
}
"""Clean samples of the messages around a presentation."""
